"""A service keeps the packs of its plan few, and goes on when it cannot."""

from __future__ import annotations

from pathlib import Path

from trio.testing import MockClock

from scriptorium.actors.events import Trouble
from scriptorium.plan.packing import PACKS
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec

from .stage import SPEC, Stage, drafts

TICKETS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


def packs(stage: Stage) -> list[Path]:
    return sorted((stage.project.git_dir / "objects" / "pack").glob("scriptorium-*.idx"))


def many_commits(stage: Stage) -> None:
    repository = PlanRepository(stage.project.git_dir)
    for number in range(PACKS):
        repository.commit(UpdateSpec(f"# Version {number}\n"))
    repository.commit(UpdateSpec(SPEC))


async def test_packs_that_are_there_at_the_start_are_rolled_up(
    stage: Stage, autojump_clock: MockClock
) -> None:
    many_commits(stage)
    assert len(packs(stage)) > PACKS
    stage.tickets(core=drafts("one"))
    await stage.run()
    stage.assert_finished("one")
    assert len(packs(stage)) < PACKS // 2


async def test_packs_that_come_while_it_runs_are_rolled_up(stage: Stage, autojump_clock: MockClock) -> None:
    stage.tickets(core=drafts(*TICKETS[:4]), side=drafts(*TICKETS[4:]))
    await stage.run()
    stage.assert_finished(*TICKETS)
    commits = int(stage.git("rev-list", "--count", "scriptorium/plan"))
    assert commits > PACKS + PACKS // 4
    assert len(packs(stage)) < commits - PACKS // 2


async def test_a_pack_that_cannot_be_read_is_told_of_and_stops_nothing(
    stage: Stage, autojump_clock: MockClock
) -> None:
    many_commits(stage)
    (stage.project.git_dir / "objects" / "pack" / f"scriptorium-{'0' * 40}.idx").write_text("planted\n")
    stage.tickets(core=drafts("one"))
    await stage.run()
    stage.assert_finished("one")
    assert len(packs(stage)) < PACKS // 2
    (trouble,) = stage.heard(Trouble)
    assert "cannot pack the plan" in trouble.what
    assert "0" * 40 in trouble.what
