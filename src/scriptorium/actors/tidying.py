"""Which worktrees are not needed any more: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from scriptorium.code.worktrees import WorktreeRow
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.snapshot import Snapshot


def decide_tidying(
    snapshot: Snapshot, rows: Iterable[WorktreeRow], held: Collection[TicketId]
) -> tuple[WorktreeRow, ...]:
    """The ticket worktrees whose ticket is done, reopened, stuck or gone, and that nobody works in.

    A ticket that an Agent holds keeps its worktree whatever its state says: the process may be alive. A
    ticket that could not be read keeps it too: nothing is known of it.
    """
    return tuple(row for row in rows if row.ticket is not None and not _needed(snapshot, row.ticket, held))


def _needed(snapshot: Snapshot, ticket: TicketId, held: Collection[TicketId]) -> bool:
    if ticket in held or snapshot.is_set_aside(ticket):
        return True
    file = snapshot.tickets.get(ticket)
    return file is not None and file.state is TicketState.IN_PROGRESS
