"""The seam through which the actors reach git and the disk, with a fault at a chosen call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio
from attrs import define

T = TypeVar("T")


class Injected(OSError):
    """The fault that a test injects."""


@define(eq=False)
class Faulty:
    """An `Offload` that does something at call number `at` (from 1; 0: never), before or after the call."""

    at: int = 0
    after: bool = False
    fault: Callable[[], None] | None = None
    calls: int = 0

    async def __call__(self, fn: Callable[[], T], /) -> T:
        await trio.lowlevel.checkpoint()
        self.calls += 1
        hit = self.fault is not None and self.calls == self.at
        if hit and not self.after:
            self._strike()
        result = fn()
        if hit and self.after:
            self._strike()
        return result

    def _strike(self) -> None:
        assert self.fault is not None
        self.fault()


def crash() -> None:
    """What an actor does not expect."""
    raise Injected("injected")
