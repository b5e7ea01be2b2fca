"""Whether a ref may have moved since it was read: seen from its files, for two system calls at most.

A ref is a file of its own, or a line in `packed-refs`; git and libgit2 replace either by renaming a new file
over it. So a new value is another inode, time or size, but for one case: a new file may get the inode number
of one that just went, and the clock of a file system stands still for milliseconds (some, for two seconds).
Two updates in that time can leave all as it was. Therefore files are trusted only when the ref was read while
they had been as they are for longer than any such clock stands still: whatever comes later has a later time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

SETTLED_SECONDS: Final = 3.0
"""Longer than the coarsest clock of a file system stands still: FAT's, for two seconds."""

_Stat: TypeAlias = tuple[int, int, int, int, int]

Mark: TypeAlias = tuple[_Stat | None, _Stat | None]
"""How the ref's own file was found, and when there was none, `packed-refs`."""


class RefSight:
    """The files of the ref `name` in `git_dir`. `clock` gives seconds, of any beginning, that only rise."""

    def __init__(self, git_dir: Path, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._loose = os.fspath(git_dir / name)
        self._packed = os.fspath(git_dir / "packed-refs")
        self._clock = clock
        self._seen: Mark | None = None
        self._since = 0.0
        self._trusted = False

    def look(self) -> Mark | None:
        """How the files are, to be asked before the ref is read; None when that cannot be told."""
        try:
            loose = _stat(self._loose)
            # A ref's own file holds, whatever `packed-refs` says.
            return (loose, _stat(self._packed) if loose is None else None)
        except OSError:
            return None

    def is_as_read(self, mark: Mark | None) -> bool:
        """Whether the ref is certain to be where it was when it was last read."""
        return self._trusted and mark == self._seen

    def was_read(self, mark: Mark | None) -> None:
        """The ref was read, after `mark` was taken."""
        now = self._clock()
        if mark is None or mark != self._seen:
            self._seen, self._since, self._trusted = mark, now, False
        elif now - self._since >= SETTLED_SECONDS:
            self._trusted = True

    def forget(self) -> None:
        """The ref has moved, or may have."""
        self._seen, self._trusted = None, False


def _stat(path: str) -> _Stat | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - the path is made once, and this may be called often
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
