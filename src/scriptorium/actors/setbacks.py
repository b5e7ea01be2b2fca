"""What keeps entries of the queue from landing through no fault of their tickets: each rests for a time."""

from __future__ import annotations

from scriptorium.actors import events
from scriptorium.actors.postponed import Postponed
from scriptorium.actors.run_notes import scriptorium_failed
from scriptorium.actors.strikes import LIMIT, Strikes
from scriptorium.actors.world import World
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.transitions import ParkTicket, PreconditionFailed


class Setbacks:
    """One entry must not stop the others: it rests; its ticket is parked when scriptorium keeps failing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._strikes = Strikes()
        self._postponed = Postponed()

    def resting(self, tip: Oid) -> dict[TicketId, float]:
        """The tickets that rest, and until when."""
        return self._strikes.resting() | self._postponed.resting(tip)

    async def strike(self, ticket: TicketId, error: Exception) -> None:
        """scriptorium failed on this entry; at the limit the ticket is parked."""
        count = self._strikes.add(ticket)
        self._world.events.publish(events.Trouble(f"landing {ticket} failed ({count} in a row): {error!r}"))
        if count >= LIMIT:
            self._strikes.forget(ticket)
            note = scriptorium_failed(count, "while landing it", repr(error))
            try:
                await self._world.plan.commit(ParkTicket(ticket, note))
            except PreconditionFailed:
                return  # somebody moved the ticket by hand: the plan branch says what is
            self._world.events.publish(events.Parked(ticket, note.detail))

    def postpone(self, ticket: TicketId, tip: Oid, impossible: Exception) -> None:
        """The entry cannot be checked now."""
        seconds = self._postponed.add(ticket, tip)
        what = f"{ticket} cannot be checked, trying again in {seconds:.0f} s: {impossible}"
        self._world.events.publish(events.Trouble(what))

    def try_at_once(self) -> None:
        """Let what could not be checked be tried again now."""
        self._postponed.end_all()

    def forget(self, ticket: TicketId) -> None:
        """There is an outcome: what went wrong on the way does not count any more."""
        self._strikes.forget(ticket)
        self._postponed.forget(ticket)
