"""Which ticket an agent gets next: pure decisions of the Assigner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from attrs import frozen

from scriptorium.plan.ids import AreaName, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.recovery import is_recovery, is_wanted_anyway
from scriptorium.plan.snapshot import Snapshot, TicketFile


@frozen
class Assign:
    """Move this open ticket to in-progress and give it an agent."""

    ticket: TicketFile


@frozen
class Continue:
    """This ticket is in progress and nobody works on it: give it an agent again."""

    ticket: TicketFile


Assignment: TypeAlias = Assign | Continue


@frozen
class Staffing:
    """What the Assigner knows besides the plan branch."""

    free_places: int
    held: frozenset[TicketId]
    """Tickets that an Agent holds in this process."""
    resting: frozenset[TicketId] = frozenset()
    """Tickets that wait for a time before scriptorium tries them again."""
    base_is_green: bool = True
    base_may_be_mended: bool = False
    """The base branch is red, and the ticket that was made to mend it may be worked on."""


def decide_assignments(snapshot: Snapshot, staffing: Staffing) -> list[Assignment]:
    """What to start now, most urgent first; at most as many as there are free places.

    Nothing starts unless the base branch is known green, but for the ticket that mends it. What is in
    progress comes before what is open. An open ticket that a submission is still queued for was taken back by
    a person, and may be being checked in its worktree: it waits until the queue has let go of it. An entry
    that cannot be read is never checked and nobody lets go of it: an open ticket does not wait for that.
    """
    if not staffing.base_is_green and not staffing.base_may_be_mended:
        return []
    wanted: list[Assignment] = [Continue(file) for file in _abandoned(snapshot, staffing)]
    if staffing.base_is_green:
        wanted += [Assign(file) for file in _assignable(snapshot, staffing)]
    else:
        wanted = [one for one in wanted if is_recovery(one.ticket.slug)]
        wanted += [Assign(file) for file in _mending(snapshot, staffing)]
    return wanted[: max(staffing.free_places, 0)]


def _abandoned(snapshot: Snapshot, staffing: Staffing) -> Iterable[TicketFile]:
    queued = queued_tickets(snapshot)
    for file in snapshot.in_state(TicketState.IN_PROGRESS):
        if file.id not in queued and file.id not in staffing.held and file.id not in staffing.resting:
            yield file


def _assignable(snapshot: Snapshot, staffing: Staffing) -> Iterable[TicketFile]:
    queued = _submitted(snapshot)
    busy: set[AreaName] = {file.ticket.area for file in snapshot.in_state(TicketState.IN_PROGRESS)}
    for file in sorted(snapshot.in_state(TicketState.OPEN), key=_urgency):
        if file.id in queued or file.ticket.area in busy or not _can_begin(snapshot, staffing, file):
            continue
        if is_recovery(file.slug) and not is_wanted_anyway(file):
            continue  # the base branch is green without it: it is about to be parked
        busy.add(file.ticket.area)
        yield file


def _mending(snapshot: Snapshot, staffing: Staffing) -> Iterable[TicketFile]:
    """The open ticket that mends the base branch; its area is nobody else's."""
    queued = _submitted(snapshot)
    for file in snapshot.in_state(TicketState.OPEN):
        if is_recovery(file.slug) and file.id not in queued and _can_begin(snapshot, staffing, file):
            yield file


def _can_begin(snapshot: Snapshot, staffing: Staffing, file: TicketFile) -> bool:
    if file.id in staffing.held or file.id in staffing.resting:
        return False
    return all(_is_done(snapshot, name) for name in file.ticket.depends)


def _is_done(snapshot: Snapshot, ticket: TicketId) -> bool:
    # One by one: there may be ten thousand done tickets, and this is decided at every change.
    file = snapshot.find(ticket)
    return file is not None and file.state is TicketState.DONE


def _urgency(file: TicketFile) -> tuple[int, int]:
    return (-file.ticket.priority.rank, int(file.id))


def queued_tickets(snapshot: Snapshot) -> frozenset[TicketId]:
    """The tickets that wait in the merge queue or are being landed; also with an entry that cannot be read,
    which a person has to mend or remove before an agent goes on with its ticket."""
    return _submitted(snapshot).union(snapshot.unread_entries)


def _submitted(snapshot: Snapshot) -> frozenset[TicketId]:
    return frozenset(entry.ticket for entry in snapshot.pending)
