"""A landing that waits for a checkout of the base branch which is a linked worktree."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from .stage import Stage, drafts, run_git, until_landed

pytestmark = pytest.mark.slow


@pytest.mark.req("V1-25")
@pytest.mark.parametrize("only_staged", [False, True], ids=["a file", "only the index"])
async def test_it_goes_on_within_a_tick_when_the_way_is_free_there(
    stage: Stage, autojump_clock: MockClock, tmp_path: Path, only_staged: bool
) -> None:
    linked = tmp_path / "linked"
    stage.git("checkout", "-q", "-b", "topic")
    stage.git("worktree", "add", "-q", str(linked), "main")
    mine = linked / "parts/one.txt"
    mine.write_text("mine\n")
    if only_staged:
        run_git(linked, "add", "parts/one.txt")
        mine.unlink()
    stage.tickets(core=drafts("one"))
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(600)
        assert [line.partition(": ")[0] for line in stage.world.conditions.lines()] == [
            f"landing blocked by {mine}"
        ]
        if only_staged:
            run_git(linked, "reset", "-q")
        else:
            mine.unlink()
        with trio.fail_after(3):
            await until_landed(stage, 1)
        stage.stop.set()
    assert mine.read_text() == "good one\n"
    assert run_git(linked, "status", "--porcelain").stdout == ""
    assert stage.git("status", "--porcelain") == ""
    stage.assert_sound()
