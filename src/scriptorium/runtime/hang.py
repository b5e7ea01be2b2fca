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


class HangPatrol:
    """The task that looks. It runs once a child with a limit has come, and sleeps while there is none."""

    def __init__(self, children: Callable[[], Iterable[Watched]], name: str) -> None:
        self._children = children
        self._name = name
        self._scope: trio.CancelScope | None = None
        self._news = trio.Event()

    def child_added(self, child: Watched, nursery: trio.Nursery) -> None:
        if child.hang_limit_seconds is None:
            return
        self._news.set()
        self._news = trio.Event()
        if self._scope is None:
            self._scope = trio.CancelScope()
            nursery.start_soon(self._look, self._scope, name=f"{self._name} hang watch")

    def end(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    async def _look(self, scope: trio.CancelScope) -> None:
        watch = HangWatch()
        with scope:
            while True:
                added = self._news
                limits = [child.hang_limit_seconds for child in self._children()]
                for child, limit in watch.overdue(self._children(), trio.current_time()):
                    child.hung(limit)
                shortest = min((limit for limit in limits if limit is not None), default=float("inf"))
                with trio.move_on_after(shortest / LOOKS_PER_LIMIT):
                    await added.wait()
