"""Which ticket an agent gets next: pure decisions of the Assigner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from attrs import frozen

from scriptorium.plan.ids import AreaName, TicketId
from scriptorium.plan.layout import TicketState
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


def decide_assignments(snapshot: Snapshot, staffing: Staffing) -> list[Assignment]:
    """What to start now, most urgent first; at most as many as there are free places.

    Nothing starts unless the base branch is known green. What is in progress comes before what is open.
    """
    if not staffing.base_is_green:
        return []
    wanted: list[Assignment] = [Continue(file) for file in _abandoned(snapshot, staffing)]
    wanted += [Assign(file) for file in _assignable(snapshot, staffing)]
    return wanted[: max(staffing.free_places, 0)]


def _abandoned(snapshot: Snapshot, staffing: Staffing) -> Iterable[TicketFile]:
    queued = queued_tickets(snapshot)
    for file in snapshot.in_state(TicketState.IN_PROGRESS):
        if file.id not in queued and file.id not in staffing.held and file.id not in staffing.resting:
            yield file


def _assignable(snapshot: Snapshot, staffing: Staffing) -> Iterable[TicketFile]:
    busy: set[AreaName] = {file.ticket.area for file in snapshot.in_state(TicketState.IN_PROGRESS)}
    for file in sorted(snapshot.in_state(TicketState.OPEN), key=_urgency):
        ticket = file.ticket
        if file.id in staffing.held or file.id in staffing.resting:
            continue
        if ticket.area in busy or not all(_is_done(snapshot, name) for name in ticket.depends):
            continue
        busy.add(ticket.area)
        yield file


def _is_done(snapshot: Snapshot, ticket: TicketId) -> bool:
    # One by one: there may be ten thousand done tickets, and this is decided at every change.
    file = snapshot.find(ticket)
    return file is not None and file.state is TicketState.DONE


def _urgency(file: TicketFile) -> tuple[int, int]:
    return (-file.ticket.priority.rank, int(file.id))


def queued_tickets(snapshot: Snapshot) -> frozenset[TicketId]:
    """The tickets that wait in the merge queue or are being landed; also with an entry that cannot be read,
    which a person has to mend or remove before anything else is done for its ticket."""
    return frozenset(entry.ticket for entry in snapshot.pending).union(snapshot.unread_entries)
