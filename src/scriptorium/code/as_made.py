"""Which files of a worktree nobody has changed since scriptorium made them, told without reading them.

The kernel notes when a file was last changed in any way, and lets nobody set that: a file with the inode and
the time of change that it had when it was made holds what it was made with, under the name that it had. This
needs a file system that gives any two changes two times and counts what is written through a mapping. Each is
tried: ext4, xfs and btrfs do so from Linux 6.13 on, and tmpfs does not. Elsewhere every file is read.

Only files that scriptorium has made are noted. One that was there before may be mapped by a process that is
left, and of what goes through a mapping only the first write shows. What is noted is lost with the process.
"""

# Paths are bytes here: file names of an agent's choosing, which pathlib does not take.
# ruff: noqa: PTH118

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import pygit2

from scriptorium.code.matching import is_exactly
from scriptorium.code.trees import Leaf

MOST_FILES: Final = 50_000
"""Noted in all, at about 300 bytes each; the folders that were noted first are forgotten for others."""

MOST_FOLDERS: Final = 256
"""At once, whatever is noted in them."""

_LONG_AGO_NS: Final = 1_000_000_000
_CHANGES: Final = 4
"""Of each kind. Where time goes in ticks of milliseconds, so many in a row never have each their own."""


_Mark: TypeAlias = tuple[int, int, int, pygit2.Oid, int]
"""Inode, device and time of change (in ns) of a file, and what it was made as: object and mode."""

Marks: TypeAlias = Mapping[bytes, _Mark]
"""By path below a worktree."""

_NOTHING: Final[Marks] = {}


class _Memory:
    """The marks of each folder, by its device and inode: a folder keeps them when it is renamed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: OrderedDict[tuple[int, int], dict[bytes, _Mark]] = OrderedDict()

    def begin(self, folder: os.stat_result) -> None:
        with self._lock:
            self._folders.setdefault((folder.st_dev, folder.st_ino), {})
            while len(self._folders) > MOST_FOLDERS:
                self._folders.popitem(last=False)

    def of(self, folder: os.stat_result) -> Marks | None:
        with self._lock:
            return self._folders.get((folder.st_dev, folder.st_ino))

    def put(self, folder: os.stat_result, marks: dict[bytes, _Mark]) -> None:
        with self._lock:
            self._folders.pop((folder.st_dev, folder.st_ino), None)
            while self._folders and sum(map(len, self._folders.values())) + len(marks) > MOST_FILES:
                self._folders.popitem(last=False)
            self._folders[folder.st_dev, folder.st_ino] = marks


_memory = _Memory()


def note_from_now(root: bytes, probe: Path) -> None:
    """Note the files that are made in the folder `root` from now on, if changes of them will show.

    `probe` is a file of ours, of one byte at least, on which that is tried; it keeps what it says. What is
    noted of the folder already stays.
    """
    with contextlib.suppress(OSError):
        folder = os.lstat(root)
        if os.lstat(probe).st_dev == folder.st_dev and shows_every_change(probe):
            _memory.begin(folder)


def marks_of(root: bytes) -> Marks:
    """What is noted of the folder `root`."""
    with contextlib.suppress(OSError):
        return _memory.of(os.lstat(root)) or _NOTHING
    return _NOTHING


def is_as_made(marks: Marks, path: bytes, want: Leaf, found: os.stat_result) -> bool:
    """Whether what is at `path`, which `lstat` has just found so, is as it was made, and made as `want`."""
    return marks.get(path) == _mark(want, found)


def note(root: bytes, leaves: Mapping[bytes, Leaf], made: Iterable[bytes]) -> None:
    """The folder `root` has the files `leaves`, and those at `made` were made just now, as they are stored.

    They are read once, as others may have been at them since. Nothing is noted of links, nor in a folder that
    `note_from_now` was not called for.
    """
    with contextlib.suppress(OSError):
        folder = os.lstat(root)
        before = _memory.of(folder)
        if before is None or len(leaves) > MOST_FILES:
            return
        marks = {path: mark for path, mark in before.items() if path in leaves}
        for path in made:
            leaf, where = leaves[path], os.path.join(root, path)
            # First the look, then the reading: a change in between, or later, gives it another time.
            if leaf.is_file and is_exactly(where, leaf, found := os.lstat(where)):
                marks[path] = _mark(leaf, found)
        _memory.put(folder, marks)


def _mark(leaf: Leaf, found: os.stat_result) -> _Mark:
    return (found.st_ino, found.st_dev, found.st_ctime_ns, leaf.oid, leaf.mode)


def shows_every_change(path: Path) -> bool:
    """Whether the file system gives each change of a file a time of its own, which nobody can set."""
    seen = {os.lstat(path).st_ctime_ns}
    with path.open("r+b") as file:
        for _ in range(_CHANGES):
            os.utime(file.fileno(), ns=(_LONG_AGO_NS, _LONG_AGO_NS))
            seen.add(os.lstat(path).st_ctime_ns)
            with mmap.mmap(file.fileno(), 1) as mapped:
                mapped[0] = mapped[0]
                seen.add(os.lstat(path).st_ctime_ns)
    return len(seen) == 1 + 2 * _CHANGES and _LONG_AGO_NS not in seen
