"""The one place where a system test waits: for an agent or a check, which ring a bell when they have done
something, or else, as for what the service does there is no event, by looking again.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 90.0
"""Long enough for a loaded machine: it says that something will never happen, not how fast it must."""
LOOK_AGAIN_SECONDS = 0.01
UNRUNG_SECONDS = 1.0
"""Even with a bell it is looked again after so long: somebody may be killed between the deed and the ring."""


class NeverHappened(AssertionError):
    """What was waited for did not come."""


def until(
    condition: Callable[[], T],
    what: Callable[[], str] | str,
    *,
    look_again_seconds: float = LOOK_AGAIN_SECONDS,
) -> T:
    """Wait until `condition` gives something true, and return it; `what` says in words what was waited for.

    What `condition` raises comes out at once.
    """
    last = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        if time.monotonic() > last:
            raise NeverHappened(
                f"waited {PATIENCE_SECONDS:g} s for {what if isinstance(what, str) else what()}"
            )
        time.sleep(look_again_seconds)
    return found


def until_rung(bell: Path, pid: int, condition: Callable[[], T], what: Callable[[], str]) -> T:
    """As `until`, for what is done by those who ring the bell; also looks when the process has ended.

    The bell is a FIFO, made if there is none; who rings writes into it, and does not wait for anyone.
    """
    last = time.monotonic() + PATIENCE_SECONDS
    with contextlib.suppress(FileExistsError):
        os.mkfifo(bell)
    rung = os.open(
        bell, os.O_RDWR | os.O_NONBLOCK
    )  # also to write: else it would be at its end when one left
    signs = [rung]
    with contextlib.suppress(ProcessLookupError):
        signs.append(os.pidfd_open(pid))
    heard = list(signs)
    try:
        while not (found := condition()):
            if time.monotonic() > last:
                raise NeverHappened(f"waited {PATIENCE_SECONDS:g} s for {what()}")
            ready, _, _ = select.select(heard, [], [], UNRUNG_SECONDS)
            if rung in ready:
                os.read(rung, select.PIPE_BUF)
            heard = [sign for sign in heard if sign == rung or sign not in ready]  # an end is heard once
    finally:
        for sign in signs:
            os.close(sign)
    return found
