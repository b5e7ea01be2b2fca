"""How many agents of one harness may run at once while the provider of their model has trouble."""

from __future__ import annotations

import math
from random import Random
from typing import Final

import trio
from attrs import define

FIRST_SECONDS: Final = 10.0
CAP_SECONDS: Final = 600.0


@define
class Throttle:
    """Halves with each fault and waits; grows by one with each run that the provider let be, as TCP does.

    `places` is how many there may be at most. Times are of the trio clock.
    """

    places: int
    random: Random
    _allowed: int = 0
    _faults: int = 0
    _until: float = -math.inf

    def __attrs_post_init__(self) -> None:
        self._allowed = self.places

    def fault(self, resets_in_seconds: float | None = None) -> float:
        """One more fault. Returns the seconds to wait: until the reset that the CLI told of, else by backoff.

        With jitter, always upward: a reset that is met too early is refused once more.
        """
        # Agents that were at work when it began fail one after the other: that is one fault, not many.
        if self.until is None:
            self._faults += 1
            self._allowed = max(1, self._allowed // 2)
        wait = min(FIRST_SECONDS * float(2 ** min(self._faults - 1, 20)), CAP_SECONDS)
        if resets_in_seconds is not None:
            wait = max(resets_in_seconds, 1.0)
        seconds = wait + self.random.uniform(0.0, min(wait / 4, 60.0))
        self._until = max(self._until, trio.current_time() + seconds)
        return self._until - trio.current_time()

    def went_well(self) -> bool:
        """A run to which the provider did its part. Returns whether that changes anything."""
        if self.until is None and self._allowed >= self.places:
            return False
        self._faults = 0
        self._until = -math.inf
        self._allowed = min(self.places, self._allowed + 1)
        return True

    @property
    def until(self) -> float | None:
        """When the next agent may start; None for now."""
        return self._until if self._until > trio.current_time() else None

    @property
    def allowed(self) -> int:
        """How many may run at once now."""
        return 0 if self.until is not None else self._allowed
