"""Plans of any size, and the five transitions of a ticket's life, by scriptorium and by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pygit2
from attrs import frozen

from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import Oid, TicketId, ticket_id
from scriptorium.plan.init import initialize
from scriptorium.plan.layout import TicketState
from scriptorium.plan.message import Kind, Message
from scriptorium.plan.notes import RunNote
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    Enqueue,
    RecordRun,
    StartLanding,
    Transition,
)

KINDS = ("assign", "record run", "enqueue", "start landing", "complete")
MOVES = ("assign", "complete")
"""The kinds that move a ticket: by hand, `git mv`, `git add` and `git commit`. The others need no `mv`."""

OPEN_TICKETS = 100
"""Of 10,000 tickets, 9,900 are done; of fewer, no more than the half are open."""

COMMIT = Oid("a" * 40)
TEXT = """\
# Ticket {number}

**Area:** area-{number}

## Goal

The part with the number {number} does what its page says, and says what it does not.

## Acceptance Criteria

- `make test` passes
- the page names it

## Notes

None.
"""
GIT_ENV = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "hand",
    "GIT_AUTHOR_EMAIL": "hand@localhost",
    "GIT_COMMITTER_NAME": "hand",
    "GIT_COMMITTER_EMAIL": "hand@localhost",
}

Step = Callable[[], object]


def open_tickets(tickets: int) -> range:
    """The numbers of the open tickets in a plan of so many; all before them are done."""
    return range(tickets - min(OPEN_TICKETS, tickets // 2) + 1, tickets + 1)


def file_name(number: int) -> str:
    """The name of a ticket's file."""
    return f"{ticket_id(number)}-a-ticket.md"


@frozen
class Seed:
    """A whole plan in one commit."""

    tickets: int

    def apply(self, _snapshot: Snapshot) -> Edits:
        writes = {"spec.md": "Many parts.\n"}
        still_open = open_tickets(self.tickets)
        for number in range(1, self.tickets + 1):
            state = TicketState.OPEN if number in still_open else TicketState.DONE
            writes[f"{state.folder}/{file_name(number)}"] = TEXT.format(number=number)
        return Edits(Message(Kind.CREATE_TICKETS), writes)


def make_plan(folder: Path, tickets: int) -> Path:
    """A repository with a plan of so many tickets; returns its git directory."""
    git_dir = Path(pygit2.init_repository(str(folder), initial_head="main").path)
    initialize(git_dir)
    PlanRepository(git_dir).commit(Seed(tickets))
    return git_dir


def make_worktree(folder: Path, tickets: int) -> Path:
    """The same plan, checked out."""
    make_plan(folder / "repository", tickets)
    worktree = folder / "worktree"
    git("worktree", "add", "-q", str(worktree), "scriptorium/plan", cwd=folder / "repository")
    return worktree


def git(*words: str, cwd: Path) -> None:
    subprocess.run(["git", *words], cwd=cwd, env=GIT_ENV, check=True, capture_output=True)


def note(attempt: int) -> RunNote:
    return RunNote(
        outcome="submitted",
        harness="command",
        attempt=attempt,
        counted=False,
        started="2026-01-02T03:04:05Z",
        duration_seconds=12.5,
        log=f".scriptorium/logs/{attempt}.jsonl",
    )


def transitions(ticket: TicketId) -> Iterator[Transition]:
    """What happens to a ticket, in the order of `KINDS`."""
    branch = f"scriptorium/ticket-{ticket}"
    yield AssignTicket(ticket, branch, f".scriptorium/worktrees/tickets/{ticket}")
    yield RecordRun(ticket, note(1))
    yield Enqueue(ticket, branch, COMMIT, "Done.\nAll of it.")
    yield StartLanding(ticket)
    yield CompleteTicket(ticket, COMMIT)


def ours(repository: PlanRepository, number: int) -> Iterator[Step]:
    """The transitions of a ticket's life, each to be carried out."""
    for transition in transitions(ticket_id(number)):
        yield partial(repository.commit, transition)


def by_hand(worktree: Path, number: int) -> Iterator[Step]:
    """The same changes with the git program, each with the fewest commands; a folder's .gitkeep stays."""
    name, tickets = file_name(number), worktree / "tickets"
    entry = worktree / "queue/merge/pending" / f"{number:04d}-{ticket_id(number)}.md"
    active = worktree / "queue/merge/active.md"

    def move(start: TicketState, end: TicketState, *gone: Path) -> None:
        git("mv", f"tickets/{start}/{name}", f"tickets/{end}/{name}", cwd=worktree)
        with (tickets / end / name).open("a") as file:
            file.write("\nMoved.\n")
        for path in gone:
            path.unlink()
        commit(tickets / end / name, *gone)

    def write(path: Path, text: str) -> None:
        with path.open("a") as file:
            file.write(text)
        commit(path)

    def commit(*paths: Path) -> None:
        git("add", "--", *map(str, paths), cwd=worktree)
        git("commit", "-q", "-m", "by hand", cwd=worktree)

    yield lambda: move(TicketState.OPEN, TicketState.IN_PROGRESS)
    yield lambda: write(tickets / TicketState.IN_PROGRESS / name, note(1).render())
    yield lambda: write(entry, f"# Merge request\n\n- Ticket: {number}\n")
    yield lambda: write(active, f"- Entry: {entry.stem}\n")
    yield lambda: move(TicketState.IN_PROGRESS, TicketState.DONE, entry, active)
