"""Index entries that know their file's stat data, so that git need not read the file again to trust it.

pygit2 makes them by `Index.add(path)` only, which writes all of the file to a new object before it sees that
it has that object.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import FileMode

if TYPE_CHECKING:
    from pygit2.ffi import ffi

_UINT32 = (1 << 32) - 1


class StampedEntry(pygit2.IndexEntry):
    """An entry for a file that `found` was the state of before it was seen to hold `oid`.

    Should pygit2 come to build its C structure otherwise, the entry is one without stat data.
    """

    def __init__(self, name: str, oid: pygit2.Oid, mode: FileMode, found: os.stat_result) -> None:
        super().__init__(name, oid, mode)
        self._found = found

    def _to_c(self) -> tuple[ffi.GitIndexEntryC, ffi.ArrayC[ffi.char]]:
        entry, path = super()._to_c()
        found = self._found
        # The fields of git's index have 32 bits (gitformat-index(5)); it compares what is left of each.
        entry.ctime.seconds, entry.ctime.nanoseconds = _time(found.st_ctime_ns)
        entry.mtime.seconds, entry.mtime.nanoseconds = _time(found.st_mtime_ns)
        entry.dev = found.st_dev & _UINT32
        entry.ino = found.st_ino & _UINT32
        entry.uid = found.st_uid & _UINT32
        entry.gid = found.st_gid & _UINT32
        entry.file_size = found.st_size & _UINT32
        return entry, path


def _time(nanoseconds: int) -> tuple[int, int]:
    """Seconds, as the signed number that libgit2 keeps them in, and nanoseconds."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return (seconds + (1 << 31) & _UINT32) - (1 << 31), rest
