"""Who is at work: the places for agent processes, and which ticket is held by which Agent."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define, field, frozen

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
    _released: bool = False

    def release(self) -> None:
        """Give the place back, and tell whoever waits for one."""
        if not self._released:
            self._released = True
            self._crew._give_back()


@define(eq=False)
class Crew:
    """At most `places` agent processes at once, planners included (`concurrency.maxAgents`)."""

    places: int
    _changed: Callable[[], None]
    _taken: int = 0
    _held: set[TicketId] = field(factory=set)
    _freed: trio.Event = field(factory=trio.Event)

    def try_place(self) -> Place | None:
        """A place if one is free, without waiting."""
        if self._taken >= self.places:
            return None
        self._taken += 1
        return Place(self)

    async def place(self) -> Place:
        """Wait for a place. Cancelled, it has taken none."""
        while (place := self.try_place()) is None:
            await self._freed.wait()
        return place

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

    @property
    def free_places(self) -> int:
        """How many more agent processes may start."""
        return self.places - self._taken

    async def dismissed(self) -> None:
        """Wait until no process and no Agent is left."""
        while not self.is_empty:
            await self._freed.wait()

    @property
    def is_empty(self) -> bool:
        """Whether no process runs and no ticket is held."""
        return not self._taken and not self._held

    def statistics(self) -> CrewStatistics:
        """Numbers for `status` and the live feed."""
        return CrewStatistics(self.places, self._taken, self.held)

    def _give_back(self) -> None:
        self._taken -= 1
        self._announce()

    def _announce(self) -> None:
        self._freed.set()
        self._freed = trio.Event()
        self._changed()
