"""Finds actors that stay on one message for too long, by looking now and then at their counters.

A cancel scope for each message would cost up to half of the throughput; counters are kept anyway.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import attrs
import trio

LOOKS_PER_LIMIT = 8
"""A hang is noticed at the latest two looks after its limit, which is a quarter more."""


@attrs.frozen
class Progress:
    """What changes when an actor gets on."""

    incarnation: int
    started: bool
    handled: int


class Watched(Protocol):
    """A child as the watch sees it."""

    @property
    def hang_limit_seconds(self) -> float | None: ...

    def work_at_hand(self) -> Progress | None:
        """The start or message that the child is busy with; None when it waits for one."""

    def hung(self, limit_seconds: float) -> None:
        """Called once for each piece of work that took too long."""


class HangWatch:
    """The decision: remembers since when each child is on the same piece of work."""

    def __init__(self) -> None:
        self._since: dict[Watched, tuple[Progress, float]] = {}

    def overdue(self, children: Iterable[Watched], now: float) -> list[tuple[Watched, float]]:
        """The children that are over their limit at ``now``, with the limit; each piece of work once."""
        found: list[tuple[Watched, float]] = []
        seen: dict[Watched, tuple[Progress, float]] = {}
        for child in children:
            limit, work = child.hang_limit_seconds, child.work_at_hand()
            if limit is None or work is None:
                continue
            before = self._since.get(child)
            since = before[1] if before is not None and before[0] == work else now
            if now - since >= limit:
                found.append((child, limit))
                since = float("inf")
            seen[child] = (work, since)
        self._since = seen
        return found


async def watch_hangs(children: Callable[[], Iterable[Watched]], news: Callable[[], trio.Event]) -> None:
    """Look until cancelled; with no child that has a limit, sleep until ``news`` (a child was added)."""
    watch = HangWatch()
    while True:
        added = news()
        limits = [child.hang_limit_seconds for child in children() if child.hang_limit_seconds is not None]
        for child, limit in watch.overdue(children(), trio.current_time()):
            child.hung(limit)
        with trio.move_on_after(min(limits, default=float("inf")) / LOOKS_PER_LIMIT):
            await added.wait()
