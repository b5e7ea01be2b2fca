"""A landing that a kill cut short: what becomes of the ticket is decided by what the base contains."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors.events import Recovered
from scriptorium.actors.world import NoVerdict
from scriptorium.plan.ids import Oid

from .stage import Stage, drafts

pytestmark = pytest.mark.req("V1-34", "V1-25")

LANDING = "refs/scriptorium/landing/0001"


async def killed_in_the_checks(stage: Stage) -> Oid:
    """A life that ends in the middle of the ticket's checks; the commit that would have landed."""
    stage.tickets(core=drafts("one"))
    judge = stage.judge

    def kill(folder: Path) -> str | NoVerdict | None:
        if (folder / "parts/one.txt").exists():
            life.cancel()
            return NoVerdict("killed")
        return judge(folder)

    stage.judge = kill
    with trio.CancelScope() as life:
        await stage.run()
    stage.judge = judge
    assert stage.states() == {"one": "in-progress"}
    assert stage.snapshot.active is not None
    (worktree,) = (stage.project.worktrees_dir / "tickets").iterdir()
    return Oid(stage.git("-C", str(worktree), "rev-parse", "HEAD"))


def assert_landed_as(stage: Stage, commit: Oid) -> None:
    stage.assert_finished("one")
    assert stage.tip() == commit
    assert f"Landed: {commit}" in stage.git("log", "-1", "--format=%B", "scriptorium/plan")
    assert stage.checks.runs.count("0001") == 0


async def test_the_base_has_it_but_the_plan_does_not(stage: Stage, autojump_clock: MockClock) -> None:
    commit = await killed_in_the_checks(stage)
    stage.git("update-ref", LANDING, commit)
    stage.git("merge", "-q", "--ff-only", commit)
    await stage.run()
    assert_landed_as(stage, commit)
    (told,) = stage.heard(Recovered)
    assert told.what == "0001: finished the landing that had begun"


async def test_the_base_has_moved_on_past_it(stage: Stage, autojump_clock: MockClock) -> None:
    commit = await killed_in_the_checks(stage)
    stage.git("update-ref", LANDING, commit)
    stage.git("merge", "-q", "--ff-only", commit)
    stage.commit({"parts/by-hand.txt": "good\n"})
    await stage.run()
    stage.assert_finished("one")
    assert stage.subjects("complete ticket") == ["complete ticket 0001"]


async def test_the_base_has_it_and_nothing_else_tells(stage: Stage, autojump_clock: MockClock) -> None:
    """As after a power cut that took the landing ref, or a person who removed it."""
    commit = await killed_in_the_checks(stage)
    stage.git("merge", "-q", "--ff-only", commit)
    await stage.run()
    assert_landed_as(stage, commit)


async def test_it_was_about_to_move_the_base(stage: Stage, autojump_clock: MockClock) -> None:
    """The landing ref is made only for a tree that had passed."""
    commit = await killed_in_the_checks(stage)
    stage.git("update-ref", LANDING, commit)
    await stage.run()
    assert_landed_as(stage, commit)


async def test_the_base_went_elsewhere(stage: Stage, autojump_clock: MockClock) -> None:
    commit = await killed_in_the_checks(stage)
    stage.git("update-ref", LANDING, commit)
    base = stage.commit({"parts/by-hand.txt": "good\n"})
    await stage.run()
    stage.assert_finished("one")
    assert stage.git("rev-parse", "main^1") == base
    assert stage.checks.runs.count("0001") == 1
    assert "called off" in stage.heard(Recovered)[0].what


async def test_nothing_had_begun_to_land(stage: Stage, autojump_clock: MockClock) -> None:
    await killed_in_the_checks(stage)
    await stage.run()
    stage.assert_finished("one")
    assert stage.checks.runs.count("0001") == 1
    assert stage.subjects("start landing") == ["start landing 0001"]


@pytest.mark.req("V1-34", "V1-19")
async def test_the_plan_has_it_but_the_landing_ref_and_the_branch_are_left(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    await stage.run()
    landed = stage.tip()
    stage.git("update-ref", LANDING, landed)
    stage.git("branch", "scriptorium/ticket-0001", f"{landed}^2")
    await stage.run()
    stage.assert_finished("one")


async def test_a_landing_ref_that_is_no_landing_moves_nothing(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """Whoever made it: the base only ever moves to a child of its tip whose tree has passed."""
    stage.tickets(core=drafts("one"))
    tree = stage.git("rev-parse", "main^{tree}")
    stage.git("update-ref", LANDING, stage.git("commit-tree", "-m", "no parent", tree))
    before = stage.tip()
    await stage.run()
    stage.assert_finished("one")
    assert stage.git("rev-parse", "main^1") == before


async def test_locked_packed_refs_are_waited_for(stage: Stage, autojump_clock: MockClock) -> None:
    """The user's `git gc` packs the refs in the middle of a landing, and is at it for minutes."""
    commit = await killed_in_the_checks(stage)
    stage.git("update-ref", LANDING, commit)
    stage.git("pack-refs", "--all")
    lock = stage.project.git_dir / "packed-refs.lock"
    lock.touch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(stage.run, until_idle=False))
        await trio.sleep(600)
        assert stage.states() == {"one": "done"}
        assert stage.refs("refs/scriptorium/landing") == [LANDING]
        lock.unlink()
        await trio.sleep(5)
        assert stage.refs("refs/scriptorium/landing") == []
        stage.stop.set()
    await stage.run()  # the ticket's branch was packed, too, and goes with the next start
    assert_landed_as(stage, commit)


async def test_packed_refs_that_stay_locked_are_named_and_nothing_is_done_twice(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """Left by a git program of the user's that was killed: only a person can tell."""
    commit = await killed_in_the_checks(stage)
    stage.git("update-ref", LANDING, commit)
    stage.commit({"parts/by-hand.txt": "good\n"})  # so that it is called off
    stage.git("pack-refs", "--all")
    lock = stage.project.git_dir / "packed-refs.lock"
    lock.touch()
    report = await stage.run()
    assert "packed-refs.lock" in report.leftovers[0]
    lock.unlink()
    await stage.run()
    stage.assert_finished("one")
