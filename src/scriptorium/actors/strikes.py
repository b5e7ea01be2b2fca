"""Tickets on which scriptorium itself failed: each waits longer, and after a few it is a person's turn."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

import trio
from attrs import define, field, frozen

from scriptorium.plan.ids import TicketId

LIMIT: Final = 5
"""Failures in a row after which a ticket is parked."""


@frozen
class _Strike:
    count: int
    not_before: float


@define
class Strikes:
    """Failures in a row by ticket, in this life of the service; times are of the trio clock."""

    _by_ticket: dict[TicketId, _Strike] = field(factory=dict)

    def add(self, ticket: TicketId) -> int:
        """One more failure: the ticket rests for 2, 4, 8, ... seconds. Returns how many in a row."""
        before = self._by_ticket.get(ticket)
        count = 1 if before is None else before.count + 1
        self._by_ticket[ticket] = _Strike(count, trio.current_time() + 2**count)
        return count

    def count(self, ticket: TicketId) -> int:
        """Failures in a row so far."""
        strike = self._by_ticket.get(ticket)
        return 0 if strike is None else strike.count

    def forget(self, ticket: TicketId) -> None:
        """It went well."""
        self._by_ticket.pop(ticket, None)

    def keep(self, tickets: Container[TicketId]) -> None:
        """Forget all but these."""
        self._by_ticket = {ticket: strike for ticket, strike in self._by_ticket.items() if ticket in tickets}

    def resting(self) -> dict[TicketId, float]:
        """The tickets that wait, each with the time at which it may be tried again."""
        now = trio.current_time()
        return {
            ticket: strike.not_before for ticket, strike in self._by_ticket.items() if strike.not_before > now
        }
