"""The ends that an entry of the merge queue can come to, written into the plan and told to everybody."""

from __future__ import annotations

from functools import partial

from scriptorium.actors import events
from scriptorium.actors.attempts import must_park
from scriptorium.actors.health import Blocked
from scriptorium.actors.setbacks import Setbacks
from scriptorium.actors.world import World
from scriptorium.code.landing import finish_landing
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.notes import ReopenNote
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.snapshot import TicketFile
from scriptorium.plan.transitions import CompleteTicket, ParkTicket, ReopenTicket


class Outcomes:
    """Each is one plan commit and its event; a crash in between is settled by the next start."""

    def __init__(self, world: World, setbacks: Setbacks) -> None:
        self._world = world
        self._setbacks = setbacks

    async def complete(self, ticket: TicketId, commit: Oid, submission: Oid) -> None:
        """The base contains it: say so in the plan, then drop the landing ref. A crash between is settled."""
        await self._world.plan.commit(CompleteTicket(ticket, commit, submission))
        await self._world.offload(partial(finish_landing, self._world.project, ticket))
        self._setbacks.forget(ticket)
        self._world.events.publish(events.Landed(ticket, commit))

    async def hand_back(self, file: TicketFile, note: ReopenNote, entry: QueueEntry) -> None:
        """The ticket has to be worked on again, or by a person when it came back too often."""
        self._setbacks.forget(file.id)
        self._world.conditions.set_blocked(None)
        if must_park(file.ticket.reopen_count, self._world.config.max_reopens):
            await self._world.plan.commit(ParkTicket(file.id, note, entry))
            self._world.events.publish(events.Parked(file.id, note.detail))
        else:
            await self._world.plan.commit(ReopenTicket(file.id, note, entry))
            self._world.events.publish(events.Reopened(file.id, note.detail))

    def wait_for(self, blocked: Blocked) -> None:
        """The landing waits; said once, not at each look."""
        if blocked != self._world.conditions.blocked:
            self._world.conditions.set_blocked(blocked)
            self._world.events.publish(events.LandingBlocked(blocked.ticket, blocked.files))
