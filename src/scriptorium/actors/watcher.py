"""Notices what others do: a tick of a second that costs a few `stat` calls."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import trio

TICK_SECONDS = 1.0


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def ref_files(git_dir: Path, refs: Iterable[str]) -> tuple[Path, ...]:
    """The files whose change means that one of these refs may have moved."""
    return (git_dir / "packed-refs", *(git_dir / ref for ref in refs))


async def watch(
    changed: Callable[[], Awaitable[bool]],
    files: Callable[[], Iterable[Path]],
    every_seconds: float = TICK_SECONDS,
) -> None:
    """Call `changed` when one of the files has changed, at every tick until it returns True, and once more.

    Runs until cancelled, with a tick every so many seconds. Once more, as a file that is replaced twice while
    the file system's clock stands still, for milliseconds, may look the same both times.

    `files` is asked at every tick, as what is worth watching changes: the plan and base refs always, and the
    files that block a landing while one waits.
    """
    before: dict[Path, tuple[int, int, int] | None] = {}
    settled = False
    while True:
        now = {path: _stat(path) for path in files()}
        # A path that is new here may have changed before it was first looked at: that is news too.
        same = all(path in before and before[path] == found for path, found in now.items())
        if not (same and settled) and await changed():
            before, settled = now, same
        await trio.sleep(every_seconds)
