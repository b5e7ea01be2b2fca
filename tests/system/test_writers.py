"""Several write the plan at once: other processes, a person with git beside `run`, a push from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scriptorium.plan.audit import audit_history
from scriptorium.plan.ids import AreaName
from scriptorium.plan.layout import TicketState
from scriptorium.plan.packing import PACKS, roll_up
from scriptorium.plan.reading import PlanReader
from tests.plan.plans import Plan, draft_text

from .conftest import MakePlace
from .soak import times

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 8
TICKETS = 6
ROUNDS = times(4, 40)
TRANSITIONS = ROUNDS * (TICKETS * 4 + 1)
"""Of each writer: see `tests/system/writer.py`."""


def written_at_once(git_dir: Path, areas: Sequence[AreaName]) -> list[list[str]]:
    """The commits that each of so many processes says it made, in the order of each."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-B", "-m", "tests.system.writer", str(git_dir), area, str(TRANSITIONS)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for area in areas
    ]  # fmt: skip
    said = []
    for process in processes:
        out, err = process.communicate()
        assert process.returncode == 0, err
        said.append(out.split())
    return said


@pytest.mark.req("V1-32", "V1-33", "V1-34")
def test_of_what_several_processes_commit_nothing_is_lost_or_doubled(make: MakePlace, tmp_path: Path) -> None:
    areas = [AreaName(f"area-{number}") for number in range(WRITERS)]
    plan = Plan(tmp_path / "project")
    plan.areas(*areas)
    for area in areas:
        plan.tickets(area, **{f"t{number}": draft_text() for number in range(TICKETS)})
    before = plan.length()

    said = written_at_once(plan.git_dir, areas)

    history = plan.git("rev-list", "--reverse", "scriptorium/plan").split()
    assert [len(commits) for commits in said] == [TRANSITIONS] * WRITERS
    # Each commit that was reported is there once, after the one reported before it, and no other is.
    assert sorted(commit for commits in said for commit in commits) == sorted(history[before:])
    place = {commit: number for number, commit in enumerate(history)}
    assert all(sorted(commits, key=place.__getitem__) == commits for commits in said)
    assert plan.git("rev-list", "--min-parents=2", "scriptorium/plan") == ""
    assert audit_history(plan.git_dir) == ()
    assert plan.git("fsck", "--full", "--strict", "--no-dangling", "--no-progress") == ""
    _all_that_was_done_is_in_the_plan(plan)
    # Each rolls up now and then, and may end just before. The next to come looks at once, as it does here:
    # then the packs are as few as for one.
    folder = plan.git_dir / "objects" / "pack"
    assert len(list(folder.glob("*.pack"))) < WRITERS * TRANSITIONS, "nobody has rolled up"
    roll_up(plan.git_dir)
    packs = list(folder.iterdir())
    assert len([path for path in packs if path.suffix == ".pack"]) <= PACKS
    assert [path.name for path in packs if path.name.startswith("tmp_")] == []


def _all_that_was_done_is_in_the_plan(plan: Plan) -> None:
    """Counted from the tickets, not the commits: what is in a commit can still be undone by the next one."""
    snapshot = PlanReader(plan.git_dir).read()
    assert snapshot.problems == ()
    done = [
        (file.state, len(file.ticket.runs), len(file.ticket.reopens)) for file in snapshot.tickets.values()
    ]
    assert done == [(TicketState.OPEN, ROUNDS, ROUNDS)] * (WRITERS * TICKETS)
