"""Landings whose checks could not be run: nobody's fault, so they are tried again, and never given up."""

from __future__ import annotations

from attrs import define, field

from scriptorium.actors.pause import Pause, resting
from scriptorium.plan.ids import Oid, TicketId


@define
class Postponed:
    """The tickets that wait like a base branch that is not green (*Verdicts*); times of the trio clock."""

    _by_ticket: dict[TicketId, tuple[Oid, Pause]] = field(factory=dict)

    def add(self, ticket: TicketId, tip: Oid) -> float:
        """There was no verdict on this ticket merged with `tip`, once more. Returns the seconds to wait."""
        merged_with, pause = self._by_ticket.get(ticket, (tip, Pause()))
        if merged_with != tip:
            pause = Pause()
        self._by_ticket[ticket] = tip, pause
        return pause.begin()

    def forget(self, ticket: TicketId) -> None:
        """There is an outcome."""
        self._by_ticket.pop(ticket, None)

    def end_all(self) -> None:
        """Nobody waits any more: somebody says that what was in the way is gone."""
        self._by_ticket.clear()

    def resting(self, tip: Oid) -> dict[TicketId, float]:
        """Who waits, until when. A base branch that has moved to another tip ends every wait."""
        return resting({ticket: pause for ticket, (at, pause) in self._by_ticket.items() if at == tip})
