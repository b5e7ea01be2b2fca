"""In which order the merge queue takes its entries: decided afresh from each snapshot, with no memory.

1. An entry that `PASSED_OVER_LIMIT` later ones have left the queue before, the oldest of them first.
2. By priority: the ticket's own, or that of an open ticket that waits for it, whichever is higher.
3. The one that more open tickets wait for.
4. In the order of submission.

So an entry waits for no more than those that were there before it, and `PASSED_OVER_LIMIT` others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.snapshot import Snapshot, TicketFile

PASSED_OVER_LIMIT: Final = 10
"""How many later entries may go first: with checks of some minutes, about an hour."""


def in_landing_order(snapshot: Snapshot, entries: Iterable[QueueEntry]) -> list[QueueEntry]:
    """These entries of the queue, the one to land first in front. Their tickets must be readable."""
    by_number = sorted(entries, key=lambda entry: entry.number)
    if len(by_number) < 2:
        return by_number  # as nearly always: nothing else need be read
    waiting = _direct_dependents(snapshot)
    passed = _Passed(snapshot)

    def rank(entry: QueueEntry) -> tuple[bool, int, int]:
        """The smaller goes first; of equal ones the earlier, as the sort is stable."""
        if passed.over(entry) >= PASSED_OVER_LIMIT:
            return (False, 0, 0)
        dependents = _dependents(entry.ticket, waiting)
        tickets = (snapshot.tickets[entry.ticket], *dependents)
        urgency = max(file.ticket.priority.rank for file in tickets)
        return (True, -urgency, -len(dependents))

    return sorted(by_number, key=rank)


class _Passed:
    """Counts the later entries that are gone: every number up to the highest was given to one.

    What became of them is not asked. One that was replaced or removed took nobody's turn and counts too,
    which brings the older entry forward a little sooner.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._highest = snapshot.queue_high
        self._pending = sorted(entry.number for entry in snapshot.pending)

    def over(self, entry: QueueEntry) -> int:
        still_there = len(self._pending) - bisect_right(self._pending, entry.number)
        return self._highest - entry.number - still_there


def _direct_dependents(snapshot: Snapshot) -> Mapping[TicketId, Sequence[TicketFile]]:
    """The open tickets that name each ticket in their `Depends`."""
    found: dict[TicketId, list[TicketFile]] = {}
    for file in snapshot.in_state(TicketState.OPEN):
        for name in file.ticket.depends:
            found.setdefault(name, []).append(file)
    return found


def _dependents(ticket: TicketId, waiting: Mapping[TicketId, Sequence[TicketFile]]) -> Sequence[TicketFile]:
    """The open tickets that wait for `ticket`, also by way of others; a circle made by hand ends here too."""
    found: dict[TicketId, TicketFile] = {}
    ahead = [ticket]
    while ahead:
        for file in waiting.get(ahead.pop(), ()):
            if file.id not in found:
                found[file.id] = file
                ahead.append(file.id)
    return tuple(found.values())
