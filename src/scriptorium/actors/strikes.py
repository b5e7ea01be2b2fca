"""Tickets on which scriptorium itself failed: each waits longer, and after a few it is a person's turn."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from attrs import define, field

from scriptorium.actors.pause import Pause, resting
from scriptorium.plan.ids import TicketId

LIMIT: Final = 5
"""Failures in a row after which a ticket is parked."""


@define
class Strikes:
    """Failures in a row by ticket, in this life of the service; times are of the trio clock."""

    _by_ticket: dict[TicketId, Pause] = field(factory=dict)

    def add(self, ticket: TicketId) -> int:
        """One more failure: the ticket rests for 2, 4, 8, ... 60 seconds. Returns how many in a row."""
        pause = self._by_ticket.setdefault(ticket, Pause.of_trouble())
        pause.begin()
        return pause.faults

    def count(self, ticket: TicketId) -> int:
        """Failures in a row so far."""
        return self._by_ticket[ticket].faults if ticket in self._by_ticket else 0

    def forget(self, ticket: TicketId) -> None:
        """It went well."""
        self._by_ticket.pop(ticket, None)

    def keep(self, tickets: Container[TicketId]) -> None:
        """Forget all but these."""
        self._by_ticket = {ticket: pause for ticket, pause in self._by_ticket.items() if ticket in tickets}

    def resting(self) -> dict[TicketId, float]:
        """The tickets that wait, each with the time at which it may be tried again."""
        return resting(self._by_ticket)
