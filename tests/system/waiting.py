"""The one place where a system test waits: for what a process does there is no event but to look again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 90.0
"""Long enough for a loaded machine: it says that something will never happen, not how fast it must."""
LOOK_AGAIN_SECONDS = 0.01


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
