"""What is planted to be large: a plan with it is read, written and looked over in bounded time and memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.reading import PlanReader
from tests.plan.plans import OID_A, Plan, run_note, ticket_text

from .hostile import ODD
from .planting import FILE, Line, Plant, Planter

MB: Final = 1 << 20
CPU_SECONDS: Final = 30
"""Several times what the worst takes, on a slow machine; the quadratic would take minutes."""
MEMORY_BYTES: Final = 1 << 30

# A process of its own: only there can processor time and memory be bounded.
WORK: Final = f"""\
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS}))
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_BYTES}, {MEMORY_BYTES}))
from pathlib import Path
from scriptorium.cli import main
from scriptorium.plan.audit import audit_history
from scriptorium.plan.ids import TicketId
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import AssignTicket, UpdateSpec
git_dir = Path(sys.argv[1])
plan = PlanRepository(git_dir)
plan.commit(AssignTicket(TicketId("0001"), "scriptorium/ticket-0001", "w"))
plan.commit(UpdateSpec("# Another\\n"))
audit_history(git_dir)
sys.exit(main(["status", "-C", str(git_dir.parent)]))
"""


def many(folder: str, name: Callable[[int], str], count: int, text: str = "") -> Plant:
    """Plants that many files."""

    def plant(planter: Planter) -> None:
        blob = planter.blob(text.encode())
        lines = (Line(name(number).encode(), FILE, blob) for number in range(count))
        planter.make(folder, *chain(planter.lines(folder), lines))

    return plant


def large(path: str, content: bytes) -> Plant:
    """Plants one file."""
    return lambda planter: planter.file(path, content)


HEAD: Final = ticket_text(area="odd")
PARKED: Final = ReopenNote(reason=ReopenReason.CONFLICT, number=1, parked=True).render()
ENTRY: Final = f"- Ticket: 0001\n- Branch: b\n- Commit: {OID_A}\n"
LARGE: Final[Mapping[str, Plant]] = {
    "a ticket of 50 MB": large(ODD, HEAD.encode() + b"x" * (50 * MB)),
    "a spec of 50 MB": large("spec.md", b"x" * (50 * MB)),
    "a marker of 50 MB": large("tickets/.areas/odd", b"x" * (50 * MB)),
    "a line of 10 MB": large(ODD, HEAD.encode() + b"x" * (10 * MB)),
    "headings without end": large(ODD, (HEAD + "## a\n" * 200_000 + "### b\n" * 200_000).encode()),
    "notes without end": large(ODD, (HEAD + PARKED * 40_000).encode()),
    "labels without end": large(ODD, (f"{HEAD}\n{run_note().numbered(1).render()}" + "a:\n" * MB).encode()),
    "quotations without end": large(ODD, (f"{HEAD}\n{PARKED}" + "a:\n> b\n>c\n" * 200_000).encode()),
    "an entry of labels": large(
        "queue/merge/pending/0007-0001.md",
        f"{ENTRY}{'a:' * 9}\n{'b:' + chr(10)}".encode() + b"c:\n" * 300_000,
    ),
    "fences without end": large(ODD, (HEAD + "```\n~~~~\n" * 200_000).encode()),
    "100,000 names that are none": many("tickets/open", lambda number: f"{number} odd", 100_000),
    "100,000 files of one ticket": many(
        "tickets/stuck", lambda number: f"0009-odd-{number}.md", 100_000, HEAD
    ),
    "30,000 tickets": many("tickets/stuck", lambda number: f"{number + 10:04d}-odd.md", 30_000, HEAD),
    "100,000 tickets that are done": many(
        "tickets/done", lambda number: f"{number + 10:04d}-odd.md", 100_000, HEAD
    ),
    "100,000 entries": many(
        "queue/merge/pending", lambda number: f"{number + 10:04d}-0009.md", 100_000, ENTRY
    ),
    "30,000 areas": many("areas", lambda number: f"odd-{number}.md", 30_000, "Odd.\n"),
    "100,000 files beside": many("decisions", lambda number: f"{number}.md", 100_000),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_large_is_read_in_bounded_time_and_memory(name: str, tmp_path: Path) -> None:
    plan = Plan(tmp_path / "project")
    ticket = plan.with_ticket()
    assert ticket == TicketId("0001")
    planter = Planter(plan.git_dir)
    LARGE[name](planter)
    planter.commit()
    argv = [sys.executable, "-B", "-c", WORK, str(plan.git_dir)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "In Progress: 1\n" in done.stdout
    assert len(done.stdout) < 10_000
    assert PlanReader(plan.git_dir).read().state_of(ticket) is TicketState.IN_PROGRESS
