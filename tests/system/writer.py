"""One of several writers of a plan: `python -m tests.system.writer GIT_DIR AREA TIMES`, many transitions.

All that it does is to the tickets of its own area, and to the spec, which is everybody's. The commit of each
transition is printed once it is made. Packs are rolled up on the way, as the service does it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from scriptorium.plan.ids import AreaName, Oid, TicketId
from scriptorium.plan.refs import enable_fsync
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import (
    AssignTicket,
    Enqueue,
    RecordRun,
    ReopenTicket,
    Transition,
    UpdateSpec,
)
from tests.plan.plans import REOPENED, run_note


def lives(area: AreaName, tickets: list[TicketId]) -> Iterator[Transition]:
    """For ever: a ticket is worked on and comes back, then the next one; now and then the spec changes."""
    for attempt in count(1):
        for ticket in tickets:
            branch = f"scriptorium/ticket-{ticket}"
            yield AssignTicket(ticket, branch, f".scriptorium/worktrees/tickets/{ticket}")
            yield RecordRun(ticket, run_note(attempt))
            yield Enqueue(ticket, branch, Oid(f"{int(ticket):020x}{attempt:020x}"), f"Try {attempt}.")
            yield ReopenTicket(ticket, REOPENED)
        yield UpdateSpec(f"Build it as {area} wants it, change {attempt}.\n")


def main(git_dir: Path, area: AreaName, times: int) -> None:
    """Make so many transitions."""
    enable_fsync()
    plan = PlanRepository(git_dir)
    mine = [file.id for file in plan.read().tickets.values() if file.ticket.area == area]
    for transition in islice(lives(area, sorted(mine)), times):
        sys.stdout.write(f"{plan.commit(transition).commit}\n")
        sys.stdout.flush()
        if plan.wants_packing:
            plan.roll_up()


if __name__ == "__main__":
    main(Path(sys.argv[1]), AreaName(sys.argv[2]), int(sys.argv[3]))
