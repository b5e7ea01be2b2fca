"""One service on one repository: a lock that the kernel drops when the process dies."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import trio

LOCK_WAIT_SECONDS = 2.0
"""A service that is just ending gets this long to be gone."""
_POLL_SECONDS = 0.05
_NOT_LOCKABLE = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP})
"""What network file systems say of a lock on a folder, which cannot be opened for writing."""


class AlreadyRunning(Exception):
    """Another process holds the lock; `pid` is None when it did not say."""

    def __init__(self, what: str, pid: int | None) -> None:
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{what} is already running on this repository ({who}); stop it first")
        self.pid = pid


@asynccontextmanager
async def single_instance(lock: Path, what: str, *, anchor: Path | None = None) -> AsyncIterator[None]:
    """Hold the lock file `lock` for as long as the block runs; `what` is the service's name for people.

    The file stays: removing it would let two services hold two files of one name. `anchor` is a folder that
    is locked too, for the user who removes it all the same (`git clean -fdx` does): one that lasts as long as
    what is to be had by one service. A file system that cannot lock folders does without.

    Raises `AlreadyRunning` when another process still holds one of them after two seconds. Cancelled while
    waiting, nothing is held.
    """
    with ExitStack() as held:
        descriptor = _open(held, lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        waited_for = [descriptor]
        if anchor is not None:
            waited_for.append(_open(held, anchor, os.O_RDONLY | os.O_DIRECTORY))
        with trio.move_on_after(LOCK_WAIT_SECONDS) as waiting:
            while not all(map(_try_lock, waited_for)):  # noqa: ASYNC110
                # The kernel tells nobody that a flock is free; the wait is bounded above.
                await trio.sleep(_POLL_SECONDS)
        if waiting.cancelled_caught:
            raise AlreadyRunning(what, _pid(descriptor))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield


def _open(held: ExitStack, path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    held.callback(os.close, descriptor)
    return descriptor


def _try_lock(descriptor: int) -> bool:
    """Take the lock, or take it again; False when another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EINTR}:
            return False
        if error.errno in _NOT_LOCKABLE and stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return True
        raise
    return True


def _pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
