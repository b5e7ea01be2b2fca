"""Waiting for a folder's files to change, woken by the kernel (inotify(7)): nothing runs in between."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import frozen

_IN_MODIFY: Final = 0x00000002
_IN_MOVED_TO: Final = 0x00000080
_IN_CREATE: Final = 0x00000100
_EVENTS_BYTES: Final = 64 * 1024


@frozen
class Growth:
    """A watch on one folder; what happened since the last wait ends the next one at once."""

    _descriptor: int

    def wait(self) -> None:
        """Return when a file in the folder was written to, or came to be."""
        os.read(self._descriptor, _EVENTS_BYTES)


@contextmanager
def watching(folder: Path) -> Iterator[Growth]:
    """Watch `folder` for as long as the block runs. Raises `OSError` when that cannot be done."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        raise _error(folder)
    try:
        mask = _IN_MODIFY | _IN_MOVED_TO | _IN_CREATE
        if libc.inotify_add_watch(descriptor, os.fsencode(folder), mask) < 0:
            raise _error(folder)
        yield Growth(descriptor)
    finally:
        os.close(descriptor)


def _error(folder: Path) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), str(folder))
