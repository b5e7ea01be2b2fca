"""Who is at work: the places for agent processes, and which ticket is held by which Agent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from random import Random

import trio
from attrs import define, field, frozen

from scriptorium.actors.throttle import Throttle
from scriptorium.plan.ids import TicketId


@frozen
class CrewStatistics:
    """Places for agent processes in all and taken, and the tickets that Agents hold."""

    places: int
    taken: int
    held: frozenset[TicketId]


@define(eq=False)
class Place:
    """One live agent process. Released once; releasing again does nothing."""

    _crew: Crew
    _harness: str
    _released: bool = False

    def release(self) -> None:
        """Give the place back, and tell whoever waits for one."""
        if not self._released:
            self._released = True
            self._crew._give_back(self._harness)


@define(eq=False)
class Crew:
    """At most `places` agent processes at once, planners included (`concurrency.maxAgents`).

    Fewer of a harness while the provider of its model has trouble.
    """

    places: int
    _changed: Callable[[], None]
    _random: Random = field(factory=Random)
    _taken: Counter[str] = field(factory=Counter)
    _throttles: dict[str, Throttle] = field(factory=dict)
    _held: set[TicketId] = field(factory=set)
    _freed: trio.Event = field(factory=trio.Event)

    def try_place(self, harness: str) -> Place | None:
        """A place for an agent of this harness if one is free, without waiting."""
        if self.free_places(harness) <= 0:
            return None
        self._taken[harness] += 1
        return Place(self, harness)

    async def place(self, harness: str, unless: trio.Event) -> Place | None:
        """Wait for a place; None when `unless` comes first. Cancelled, it has taken none."""
        while not unless.is_set():
            if (place := self.try_place(harness)) is not None:
                return place
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wake, nursery.cancel_scope, unless)
                with trio.move_on_at(self.throttle(harness).until or math.inf):
                    await self._freed.wait()
                nursery.cancel_scope.cancel()
        return None

    async def _wake(self, scope: trio.CancelScope, unless: trio.Event) -> None:
        await unless.wait()
        scope.cancel()

    def throttle(self, harness: str) -> Throttle:
        """What holds agents of this harness back."""
        if harness not in self._throttles:
            self._throttles[harness] = Throttle(self.places, self._random)
        return self._throttles[harness]

    def hold(self, ticket: TicketId) -> None:
        """An Agent takes a ticket; a ticket is held by at most one."""
        if ticket in self._held:
            raise RuntimeError(f"ticket {ticket} is held already")
        self._held.add(ticket)

    def let_go(self, ticket: TicketId) -> None:
        """The Agent of this ticket is over and so is every process that it started."""
        self._held.discard(ticket)
        self._announce()

    @property
    def held(self) -> frozenset[TicketId]:
        """Tickets that an Agent holds."""
        return frozenset(self._held)

    def free_places(self, harness: str) -> int:
        """How many more agent processes of this harness may start now."""
        held_back = self.throttle(harness).allowed - self._taken[harness]
        return min(self.places - self._taken.total(), held_back)

    async def dismissed(self) -> None:
        """Wait until no process and no Agent is left."""
        while not self.is_empty:
            await self._freed.wait()

    @property
    def is_empty(self) -> bool:
        """Whether no process runs and no ticket is held."""
        return not self._taken.total() and not self._held

    def statistics(self) -> CrewStatistics:
        """Numbers for `status` and the live feed."""
        return CrewStatistics(self.places, self._taken.total(), self.held)

    def changed(self) -> None:
        """A throttle has changed: tell whoever waits for a place."""
        self._announce()

    def _give_back(self, harness: str) -> None:
        self._taken[harness] -= 1
        self._announce()

    def _announce(self) -> None:
        self._freed.set()
        self._freed = trio.Event()
        self._changed()
