"""What others do is noticed within a tick, and a change that could not be looked at is looked at again."""

from __future__ import annotations

import os
from pathlib import Path

import trio
from trio.testing import MockClock

from scriptorium.actors.watcher import TICK_SECONDS, ref_files, watch


async def test_a_change_is_told_until_it_is_known_and_once_more(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    answers = iter([True, True, False, False, True, True, True, False, True])
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
    assert at == [0, 1, 11, 12, 13, 14, 21, 22, 23]
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
        assert told == 2
        watched.append(tmp_path / "two")
        await trio.sleep(5)
        assert told == 4
        nursery.cancel_scope.cancel()


async def test_a_file_replaced_twice_that_looks_as_it_did_is_noticed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Within a tick of the file system's clock, and with the inode number given out again at once."""
    file = tmp_path / "ref"
    file.write_text("one")
    found = file.stat()
    seen: list[str] = []

    async def changed() -> bool:
        await trio.lowlevel.checkpoint()
        seen.append(file.read_text())
        return True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, changed, lambda: [file])
        await trio.sleep(0.5)
        with file.open("r+") as same:
            same.write("two")
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert seen == ["one", "two"]


def test_a_ref_may_be_loose_or_packed(tmp_path: Path) -> None:
    assert ref_files(tmp_path, ["refs/heads/main"]) == (
        tmp_path / "packed-refs",
        tmp_path / "refs/heads/main",
    )
