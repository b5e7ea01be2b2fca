"""A role whose program cannot be started: the machine's fault, so nothing is given up for it; it waits."""

from __future__ import annotations

import math

import trio
from attrs import define

from scriptorium.actors.merging import recheck_wait_seconds


@define
class Pause:
    """How long to leave a role alone, as with a base branch that is not green; times of the trio clock."""

    _faults: int = 0
    _until: float = -math.inf

    def begin(self) -> float:
        """It could not be started, once more. Returns the seconds to wait: 1 min doubling to 30."""
        self._faults += 1
        seconds = recheck_wait_seconds(self._faults)
        self._until = trio.current_time() + seconds
        return seconds

    def end(self) -> None:
        """It was started."""
        self._faults = 0
        self._until = -math.inf

    @property
    def until(self) -> float | None:
        """When to try again; None when there is nothing to wait for."""
        return self._until if self._until > trio.current_time() else None
