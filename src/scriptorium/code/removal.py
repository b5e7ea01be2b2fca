"""Removing what an agent left behind, without following anything it left: links are unlinked, folders
without permissions are opened up, and no depth of nesting reaches a limit of the system or of Python.
"""

# Paths are bytes here: file names of an agent's choosing, which pathlib does not take.
# ruff: noqa: PTH101, PTH104, PTH106, PTH108, PTH118

from __future__ import annotations

import os
import stat
from types import TracebackType
from typing import Final

TRASH_PREFIX: Final = b".scriptorium-trash-"
"""Of a folder that was being emptied at a crash; whoever clears the folder it is in clears it too."""


class Trash:
    """Removes files and folders below the folder `around`, which must be a real one on the same file system.

    Use it as a context manager: folders are moved out of the way at once, the first under another name in
    `around` and the others into that one, and emptied at the end of the block, one level at a time, so that
    every path stays short. An error, or a crash, leaves that one folder; what was not taken is untouched.
    Paths are bytes, as file names are.
    """

    def __init__(self, around: bytes) -> None:
        # Nobody can have a file of this name ready, wherever a folder is moved.
        self._name = TRASH_PREFIX + os.urandom(8).hex().encode()
        self._place = os.path.join(around, self._name)
        self._count = 0
        self._waiting: list[bytes] = []

    def __enter__(self) -> Trash:
        return self

    def take(self, path: bytes) -> None:
        """Remove whatever is at `path` itself; raises `OSError` when the system does not allow it."""
        if self._count and path == self._place:
            return  # met by somebody who takes what a listing of `around` shows
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return
        open_up(path)
        taken = (
            os.path.join(self._place, b"%s-%d" % (self._name, self._count)) if self._count else self._place
        )
        os.rename(path, taken)
        self._count += 1
        self._waiting.append(taken)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None or not self._waiting:
            return
        while self._waiting:
            folder = self._waiting.pop()
            with os.scandir(folder) as entries:
                # Read to its end before anything is moved into it: the first taken is also where others go.
                found = list(entries)
            for entry in found:
                self.take(entry.path)
            if folder != self._place:
                os.rmdir(folder)
        os.rmdir(self._place)


def open_up(folder: bytes) -> None:
    """Give the owner of a real folder every right in it."""
    if os.lstat(folder).st_mode & 0o700 != 0o700:
        os.chmod(folder, 0o700)
