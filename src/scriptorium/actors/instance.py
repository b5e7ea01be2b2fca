"""One service on one repository: a lock that the kernel drops when the process dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

LOCK_WAIT_SECONDS = 2.0
"""A service that is just ending gets this long to be gone."""
_POLL_SECONDS = 0.05


class AlreadyRunning(Exception):
    """Another process holds the lock; `pid` is None when it did not say."""

    def __init__(self, what: str, pid: int | None) -> None:
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{what} is already running on this repository ({who}); stop it first")
        self.pid = pid


@asynccontextmanager
async def single_instance(lock: Path, what: str) -> AsyncIterator[None]:
    """Hold the lock file `lock` for as long as the block runs; `what` is the service's name for people.

    Raises `AlreadyRunning` when another process still holds it after two seconds.

    The file stays: removing it would let two services hold two files of one name. Cancelled while waiting,
    nothing is held.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with trio.move_on_after(LOCK_WAIT_SECONDS) as waiting:
            while not _try_lock(descriptor):  # noqa: ASYNC110
                # The kernel tells nobody that a flock is free; the wait is bounded above.
                await trio.sleep(_POLL_SECONDS)
        if waiting.cancelled_caught:
            raise AlreadyRunning(what, _pid(descriptor))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EINTR}:
            return False
        raise
    return True


def _pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
