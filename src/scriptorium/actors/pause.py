"""How long to leave a planner alone after a fault that is not its own: nothing is given up, it waits."""

from __future__ import annotations

import math

import trio
from attrs import define

from scriptorium.actors.merging import RECHECK_CAP_SECONDS, RECHECK_FIRST_SECONDS


@define
class Pause:
    """Waits that double with each fault in a row; times of the trio clock.

    The default is that of a base branch that is not green: a minute, doubling to thirty.
    """

    first_seconds: float = RECHECK_FIRST_SECONDS
    cap_seconds: float = RECHECK_CAP_SECONDS
    _faults: int = 0
    _until: float = -math.inf

    def begin(self) -> float:
        """One more fault. Returns the seconds to wait."""
        seconds = min(self.first_seconds * float(2 ** min(self._faults, 20)), self.cap_seconds)
        self._faults += 1
        self._until = trio.current_time() + seconds
        return seconds

    def end(self) -> None:
        """It went well."""
        self._faults = 0
        self._until = -math.inf

    @property
    def until(self) -> float | None:
        """When to try again; None when there is nothing to wait for."""
        return self._until if self._until > trio.current_time() else None


@define
class Pauses:
    """Why a planner is left alone: its program cannot be started, or scriptorium itself had trouble.

    The first needs somebody else, as far as anyone can tell; the second passes, or is a bug.
    """

    missing: Pause
    trouble: Pause

    @classmethod
    def none(cls) -> Pauses:
        """Nothing to wait for. Trouble is waited out for two seconds, doubling to a minute."""
        return cls(Pause(), Pause(2.0, 60.0))
