"""The transition that opens a ticket to have a red base branch mended: a value, without effects."""

from __future__ import annotations

from attrs import frozen

from scriptorium.plan._conditions import PreconditionFailed, require
from scriptorium.plan._planning import free_ids
from scriptorium.plan.edits import Edits
from scriptorium.plan.layout import TicketState, ticket_path
from scriptorium.plan.message import Kind, Message, Trailer
from scriptorium.plan.recovery import RedBase, recovery_slug, recovery_tickets
from scriptorium.plan.snapshot import Snapshot


@frozen
class CreateRecoveryTicket:
    """Open the ticket that asks for `red` to be mended.

    Its id is given here, as that of any new ticket; `id_floor` is the highest that branches, refs and logs
    have used.
    """

    red: RedBase
    id_floor: int

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` when such a ticket is open or in progress, or there has been
        one for this commit."""
        for ticket, _ in recovery_tickets(snapshot, TicketState.OPEN, TicketState.IN_PROGRESS):
            raise PreconditionFailed(f"ticket {ticket} is to mend the base branch already")
        slug = recovery_slug(self.red.commit)
        for ticket, other in recovery_tickets(snapshot, TicketState.STUCK, TicketState.DONE):
            require(other != slug, f"ticket {ticket} was to mend this commit of the base branch")
        try:
            ticket = next(free_ids(max(self.id_floor, snapshot.ticket_high), snapshot))
            text = self.red.ticket().text
        except ValueError as error:  # no number left, or unreadable
            raise PreconditionFailed(str(error)) from error
        message = Message(Kind.CREATE_RECOVERY, ticket, ((Trailer.TICKET, ticket),))
        return Edits(message, {ticket_path(TicketState.OPEN, ticket, slug): text})
