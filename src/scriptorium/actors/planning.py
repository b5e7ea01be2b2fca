"""What is to be planned next: pure decisions of the Architect and the Manager."""

from __future__ import annotations

from collections.abc import Collection

from scriptorium.plan.area import Area
from scriptorium.plan.ids import AreaName
from scriptorium.plan.layout import AREAS_FROM, TicketState, ticketed_path
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.spec import Spec


def spec_to_split(snapshot: Snapshot) -> Spec | None:
    """The spec that the Architect has to split into areas now, if any.

    None for a missing or placeholder spec, and for a text whose outcome, good or bad, is recorded already.
    Also when that record cannot be read: an agent's run costs more than a person's look.
    """
    spec = snapshot.spec
    if spec is None or spec.is_placeholder or snapshot.problem_at(AREAS_FROM) is not None:
        return None
    if snapshot.areas_from is not None and snapshot.areas_from.oid == spec.oid:
        return None
    return spec


def areas_to_ticket(snapshot: Snapshot, running: Collection[AreaName] = ()) -> tuple[Area, ...]:
    """The areas that the Manager has to split into tickets now, by name.

    An area waits while the spec is still to be split (its text is about to change), while one of its
    tickets is open or in progress, and once its present text has been ticketed or given up. One whose record
    of that cannot be read waits until it is mended.
    """
    if snapshot.spec is None or snapshot.spec.is_placeholder or spec_to_split(snapshot) is not None:
        return ()
    unfinished = {
        file.ticket.area
        for state in (TicketState.OPEN, TicketState.IN_PROGRESS)
        for file in snapshot.in_state(state)
    }
    return tuple(
        area
        for name, area in sorted(snapshot.areas.items())
        if name not in unfinished and name not in running and not _is_ticketed(snapshot, area)
    )


def _is_ticketed(snapshot: Snapshot, area: Area) -> bool:
    marker = snapshot.ticketed.get(area.name)
    if marker is None:
        return snapshot.problem_at(ticketed_path(area.name)) is not None
    return marker.oid == area.oid
