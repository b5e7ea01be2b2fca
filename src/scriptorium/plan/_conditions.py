"""The preconditions that transitions share, and the error that says which one does not hold."""

from __future__ import annotations

from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.snapshot import Snapshot, TicketFile
from scriptorium.plan.ticket import Ticket, TicketUnreadable


class PreconditionFailed(Exception):
    """The plan is not as the transition needs it: nothing was changed. Read it again and decide again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def require(condition: bool, reason: str) -> None:
    """Raise `PreconditionFailed` with `reason` unless `condition` holds."""
    if not condition:
        raise PreconditionFailed(reason)


def require_ticket(snapshot: Snapshot, ticket: TicketId, *states: TicketState) -> tuple[TicketFile, Ticket]:
    """The ticket, which must be readable and in one of `states`; raises `PreconditionFailed`."""
    file = snapshot.find(ticket)
    if file is None:
        found = next((p for p in snapshot.problems if p.ticket == ticket), None)
        raise PreconditionFailed(f"there is no ticket {ticket}" if found is None else str(found))
    require(file.state in states, f"ticket {ticket} is {file.state}, not {' or '.join(states)}")
    try:
        return file, file.ticket
    except TicketUnreadable as error:
        raise PreconditionFailed(f"{file.path}: {error}") from error
