"""How long to leave somebody alone after a fault: nothing is given up, it waits, longer each time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

import trio
from attrs import define

from scriptorium.actors.merging import RECHECK_CAP_SECONDS, RECHECK_FIRST_SECONDS

K = TypeVar("K")


@define
class Pause:
    """Waits that double with each fault in a row; times of the trio clock.

    The default is that of a base branch that is not green: a minute, doubling to thirty.
    """

    first_seconds: float = RECHECK_FIRST_SECONDS
    cap_seconds: float = RECHECK_CAP_SECONDS
    faults: int = 0
    """In a row so far."""
    _until: float = -math.inf

    @classmethod
    def of_trouble(cls) -> Pause:
        """After trouble of scriptorium's own, which passes or is a bug: two seconds, doubling to a minute."""
        return cls(2.0, 60.0)

    def begin(self) -> float:
        """One more fault. Returns the seconds to wait."""
        seconds = min(self.first_seconds * float(2 ** min(self.faults, 20)), self.cap_seconds)
        self.faults += 1
        self._until = trio.current_time() + seconds
        return seconds

    def end(self) -> None:
        """It went well."""
        self.faults = 0
        self._until = -math.inf

    @property
    def until(self) -> float | None:
        """When to try again; None when there is nothing to wait for."""
        return self._until if self._until > trio.current_time() else None


def resting(pauses: Mapping[K, Pause]) -> dict[K, float]:
    """Who waits, each with the time at which it may be tried again."""
    return {who: until for who, pause in pauses.items() if (until := pause.until) is not None}


@define
class Pauses:
    """Why a planner is left alone: its program cannot be started, or scriptorium itself had trouble.

    The first needs somebody else, as far as anyone can tell; the second passes, or is a bug.
    """

    missing: Pause
    trouble: Pause

    @classmethod
    def none(cls) -> Pauses:
        """Nothing to wait for."""
        return cls(Pause(), Pause.of_trouble())
