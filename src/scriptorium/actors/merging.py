"""Which entry of the merge queue is next: pure decisions of the MergeQueue."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from scriptorium.actors.queue_order import in_landing_order
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.snapshot import Snapshot

RECHECK_FIRST_SECONDS = 60.0
RECHECK_CAP_SECONDS = 30 * 60.0


@frozen
class NextEntry:
    """The entry to land, and whether `start landing` was committed for it already."""

    entry: QueueEntry
    started: bool


def next_entry(
    snapshot: Snapshot, held: Collection[TicketId], resting: Collection[TicketId] = ()
) -> NextEntry | None:
    """One at a time: the one that was begun, else the first in order whose agent's last process is gone.

    `resting` are tickets that wait for a time after scriptorium itself failed on them. An entry whose ticket
    is not in progress, or cannot be read, is left for a person to mend; the others go on without it.
    """
    active = snapshot.active
    if active is not None and active.ticket in _in_progress(snapshot):
        return None if active.ticket in resting else NextEntry(active, started=True)
    first = _first_in_order(snapshot, {*held, *resting})
    return None if first is None else NextEntry(first, started=False)


def entry_after(
    snapshot: Snapshot, landing: TicketId, held: Collection[TicketId], resting: Collection[TicketId]
) -> QueueEntry | None:
    """Which entry is probably next once that of `landing` has landed; as `next_entry`."""
    return _first_in_order(snapshot, {landing, *held, *resting})


def _first_in_order(snapshot: Snapshot, but: Collection[TicketId]) -> QueueEntry | None:
    ready = _in_progress(snapshot).difference(but)
    landable = in_landing_order(snapshot, (entry for entry in snapshot.pending if entry.ticket in ready))
    return landable[0] if landable else None


def _in_progress(snapshot: Snapshot) -> set[TicketId]:
    return {file.id for file in snapshot.in_state(TicketState.IN_PROGRESS)}


def recheck_wait_seconds(checks_in_a_row: int) -> float:
    """How long to wait before a base branch that is not green is checked again (*Verdicts*): 1 min to 30."""
    doublings = min(checks_in_a_row - 1, 10)
    return min(RECHECK_FIRST_SECONDS * float(2**doublings), RECHECK_CAP_SECONDS)
