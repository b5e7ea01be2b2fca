"""Whatever anybody puts on the plan branch: it is named, it stops nothing else, and it harms nobody."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from trio.testing import MockClock

from scriptorium.cli import main
from scriptorium.cli.failure import printable
from scriptorium.cli.run import line_for
from scriptorium.plan.audit import audit_history
from scriptorium.plan.start import PlanUnusable, look_over
from scriptorium.runtime import ChildCrashed
from tests.actors.stage import Stage, drafts

from .hostile import Hostile
from .hostile_texts import FIELDS, HISTORY, MARKDOWN, NUMBERS, QUEUE
from .hostile_trees import TREES
from .planting import Planter

CASES = {**TREES, **FIELDS, **MARKDOWN, **QUEUE, **NUMBERS, **HISTORY}
GOOD = ("first", "second", "third")
LONGEST_LINE = 12_000


def set_stage(root: Path) -> Stage:
    """A plan with two open tickets, and a spec that asks for a third in a new area."""
    stage = Stage.build(root)
    stage.tickets(core=drafts("first"), docs=drafts("second", second="**Depends:** 0001\n"))
    stage.spec("# More\n")
    stage.cast.areas = {"core": "The core.\n", "docs": "The docs.\n", "extra": "The extra.\n"}
    stage.cast.drafts = {"extra": drafts("third")}
    return stage


def assert_fit_for_a_terminal(lines: Iterable[str]) -> None:
    unfit = [line for line in lines if not line.isprintable() or len(line) > LONGEST_LINE]
    assert unfit == []


def said_by(
    capsys: pytest.CaptureFixture[str], stage: Stage, *words: str, codes: tuple[int, ...] = (0,)
) -> str:
    """What a command prints, which must be fit for a terminal."""
    code = main([*words, "-C", str(stage.root)])
    said = capsys.readouterr()
    assert code in codes, said.err
    assert_fit_for_a_terminal((said.out + said.err).splitlines())
    return said.out


def complaints(stage: Stage) -> set[str]:
    """The kinds of fault that git finds."""
    argv = ["git", "-C", str(stage.root), "fsck", "--strict", "--no-dangling"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, errors="replace")
    return {re.sub(r"[0-9a-f]{40}.*", "", line) for line in (done.stdout + done.stderr).splitlines()}


@pytest.mark.req("V1-14", "V1-32", "V1-33")
@pytest.mark.parametrize("name", CASES)
async def test_what_is_planted_is_named_and_stops_nothing_else(
    name: str, tmp_path: Path, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    case: Hostile = CASES[name]
    stage = set_stage(tmp_path / "project")
    ours = stage.tip("scriptorium/plan")
    planter = Planter(stage.project.git_dir)
    case.plant(planter)
    planter.commit()
    planted = set(stage.git("rev-list", f"{ours}..scriptorium/plan").split())
    before = complaints(stage)

    said = [str(problem) for problem in stage.snapshot.problems]
    assert_fit_for_a_terminal(said)
    assert any(case.says in line for line in said) if case.says else said == [], said
    said_by(capsys, stage, "status")
    json.loads(said_by(capsys, stage, "status", "--json"))
    if case.unusable:
        with pytest.raises(PlanUnusable):
            look_over(stage.project.git_dir, stage.snapshot)
    else:
        await works_on(stage, case)
    for finding in audit_history(stage.project.git_dir):
        assert finding.commit is None or finding.commit in planted, finding
    said_by(capsys, stage, "check", codes=(0, 1))
    said_by(capsys, stage, "status")
    said_by(capsys, stage, "worktrees")
    assert complaints(stage) <= before


async def works_on(stage: Stage, case: Hostile) -> None:
    """A service does all that it can, and no actor crashes."""
    look_over(stage.project.git_dir, stage.snapshot)
    report = await stage.run()
    assert stage.heard(ChildCrashed) == []
    assert_fit_for_a_terminal(printable(line) for line in report.leftovers)
    lines = (line_for(event, 0) for event in stage.told.received)
    assert_fit_for_a_terminal(printable(line) for line in lines if line is not None)
    wanted = {slug: "done" for slug in GOOD if slug not in case.stops}
    if case.odd is not None:
        wanted["odd"] = case.odd
    states = stage.states()
    assert {slug: states.get(slug) for slug in wanted} == wanted, (states, report.leftovers)
