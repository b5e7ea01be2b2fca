"""What others do is noticed within a tick, and a change that could not be looked at is looked at again."""

from __future__ import annotations

from pathlib import Path

import trio
from trio.testing import MockClock

from scriptorium.actors.watcher import TICK_SECONDS, ref_files, watch


async def test_a_change_is_told_once_and_again_until_it_is_known(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    answers = iter([True, False, False, True, True])
    file = tmp_path / "ref"

    async def changed() -> bool:
        await trio.lowlevel.checkpoint()
        at.append(trio.current_time())
        return next(answers)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, changed, lambda: [file, tmp_path / "never"])
        await trio.sleep(10.5)
        file.write_text("one")
        await trio.sleep(10)
        file.unlink()
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert at == [0, 11, 12, 13, 21]
    assert TICK_SECONDS == 1.0


async def test_a_path_that_is_watched_from_now_on_is_news(tmp_path: Path, autojump_clock: MockClock) -> None:
    watched = [tmp_path / "one"]
    told = 0

    async def changed() -> bool:
        nonlocal told
        await trio.lowlevel.checkpoint()
        told += 1
        return True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, changed, lambda: watched)
        await trio.sleep(5.5)
        assert told == 1
        watched.append(tmp_path / "two")
        await trio.sleep(5)
        assert told == 2
        nursery.cancel_scope.cancel()


def test_a_ref_may_be_loose_or_packed(tmp_path: Path) -> None:
    assert ref_files(tmp_path, ["refs/heads/main"]) == (
        tmp_path / "packed-refs",
        tmp_path / "refs/heads/main",
    )
