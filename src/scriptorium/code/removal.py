"""Removing what an agent left behind, without following anything it left: links are unlinked, folders
without permissions are opened up, and no depth of nesting reaches a limit of the system or of Python.
"""

# Paths are bytes here: file names of an agent's choosing, which pathlib does not take.
# ruff: noqa: PTH101, PTH104, PTH106, PTH108, PTH118

from __future__ import annotations

import os
import stat
import tempfile
from types import TracebackType
from typing import Final

TRASH_PREFIX: Final = b".scriptorium-trash-"
"""A trash folder that a crash left behind; whoever clears the folder it is in clears it too."""


class Trash:
    """Removes files and folders below the folder `around`, which must be a real one on the same file system.

    Use it as a context manager: folders are moved into a trash folder in `around` at once and emptied at the
    end of the block, one level at a time, so that every path stays short. An error, or a crash, leaves
    the trash folder; what was not taken is untouched. Paths are bytes, as file names are.
    """

    def __init__(self, around: bytes) -> None:
        self._around = around
        self._folder: bytes | None = None
        self._count = 0
        self._waiting: list[bytes] = []

    def __enter__(self) -> Trash:
        return self

    def take(self, path: bytes) -> None:
        """Remove whatever is at `path` itself; raises `OSError` when the system does not allow it."""
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return
        open_up(path)
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix=TRASH_PREFIX, dir=self._around)
        self._count += 1
        taken = os.path.join(self._folder, b"%d" % self._count)
        os.rename(path, taken)
        self._waiting.append(taken)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None or self._folder is None:
            return
        while self._waiting:
            folder = self._waiting.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    self.take(entry.path)
            os.rmdir(folder)
        os.rmdir(self._folder)


def open_up(folder: bytes) -> None:
    """Give the owner of a real folder every right in it."""
    if os.lstat(folder).st_mode & 0o700 != 0o700:
        os.chmod(folder, 0o700)
