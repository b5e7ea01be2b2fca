"""Landings whose checks could not be run: nobody's fault, so they are tried again, and never given up."""

from __future__ import annotations

import trio
from attrs import define, field, frozen

from scriptorium.actors.merging import recheck_wait_seconds
from scriptorium.plan.ids import Oid, TicketId


@frozen
class _Wait:
    tip: Oid
    count: int
    not_before: float


@define
class Postponed:
    """The tickets that wait like a base branch that is not green (*Verdicts*); times of the trio clock."""

    _by_ticket: dict[TicketId, _Wait] = field(factory=dict)

    def add(self, ticket: TicketId, tip: Oid) -> float:
        """There was no verdict on this ticket merged with `tip`, once more. Returns the seconds to wait."""
        before = self._by_ticket.get(ticket)
        count = before.count + 1 if before is not None and before.tip == tip else 1
        seconds = recheck_wait_seconds(count)
        self._by_ticket[ticket] = _Wait(tip, count, trio.current_time() + seconds)
        return seconds

    def forget(self, ticket: TicketId) -> None:
        """There is an outcome."""
        self._by_ticket.pop(ticket, None)

    def resting(self, tip: Oid) -> dict[TicketId, float]:
        """Who waits, until when. A base branch that has moved to another tip ends every wait."""
        now = trio.current_time()
        return {
            ticket: wait.not_before
            for ticket, wait in self._by_ticket.items()
            if wait.tip == tip and wait.not_before > now
        }
