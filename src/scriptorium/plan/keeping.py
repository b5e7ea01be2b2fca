"""Keeps a pack from `git gc` and `git repack` until a ref has what is in it.

Git lists the packs, then finds out what refs reach, and then deletes the packs of its list: what was only
written, and what it listed before the index was there, would be lost, however new it is. So git puts a file
`.keep` beside a pack of its own before the pack, and takes it away when the refs have moved. So do we.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from attrs import frozen

_SAYS: Final = b"scriptorium has written this pack, and no ref has it yet\n"
"""What is in a keep of ours. A person's, and git's, say something else or nothing."""


@frozen
class Keep:
    """A pack that must stay, until `let_go`; of several writers of the same pack, until the last lets go.

    A lock on the file tells a writer that lives from one that was killed, whose keep `sweep` removes.
    """

    _path: Path
    _handle: int

    @classmethod
    def of(cls, path: Path) -> Keep:
        """Take it, before the pack is there; `path` ends in `.keep`. Raises `OSError`."""
        while True:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_SH)
                if os.fstat(handle).st_nlink:
                    os.pwrite(handle, _SAYS, 0)
                    return cls(path, handle)
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # whoever had it before took it away just now

    def let_go(self) -> None:
        """A ref has it, or nobody is to. An error leaves the file to `sweep`."""
        with contextlib.suppress(OSError):
            _remove_unless_held(self._path, self._handle)
        os.close(self._handle)


def sweep(path: Path) -> None:
    """Remove a keep of a writer that was killed, and no other. Raises `OSError` when that is not allowed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        said = os.pread(handle, len(_SAYS) + 1, 0)
        # A person's is beside a pack; a writer says what it is for before there is one.
        if said == _SAYS or (not said and not path.with_suffix(".pack").exists()):
            _remove_unless_held(path, handle)
    finally:
        os.close(handle)


def _remove_unless_held(path: Path, handle: int) -> None:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink:
            path.unlink(missing_ok=True)
