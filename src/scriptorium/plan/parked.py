"""What scriptorium has given up until somebody says otherwise: stuck tickets, and texts that gave nothing."""

from __future__ import annotations

from typing import NamedTuple

from scriptorium.plan.area import Marker
from scriptorium.plan.ids import AreaName
from scriptorium.plan.layout import SPEC, TicketState, area_path
from scriptorium.plan.snapshot import Snapshot, TicketFile


class Parked(NamedTuple):
    """The stuck tickets, the areas that gave no tickets, and whether the spec gave no areas."""

    tickets: tuple[TicketFile, ...]
    areas: tuple[AreaName, ...]
    spec: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Each by the shortest name; an area that is called like a ticket or the spec by its path."""
        areas = (area_path(name) if name == "spec" or name[0].isdigit() else name for name in self.areas)
        return (*(file.id for file in self.tickets), *areas, *(("spec",) if self.spec else ()))

    @property
    def paths(self) -> tuple[str, ...]:
        """Each by its path on the plan branch, which means one thing alone."""
        areas = (area_path(name) for name in self.areas)
        return (*(file.path for file in self.tickets), *areas, *((SPEC,) if self.spec else ()))


def parked(snapshot: Snapshot) -> Parked:
    """Everything that is parked, tickets by id and areas by name."""
    return Parked(
        tickets=snapshot.in_state(TicketState.STUCK),
        areas=tuple(name for name in sorted(snapshot.areas) if area_is_parked(snapshot, name)),
        spec=spec_is_parked(snapshot),
    )


def spec_is_parked(snapshot: Snapshot) -> bool:
    """Whether making areas from the spec as it is now was given up."""
    spec = snapshot.spec
    return spec is not None and snapshot.areas_from == Marker(spec.oid, failed=True)


def area_is_parked(snapshot: Snapshot, name: AreaName) -> bool:
    """Whether making tickets from the area as it is now was given up."""
    area = snapshot.areas.get(name)
    return area is not None and snapshot.ticketed.get(name) == Marker(area.oid, failed=True)
