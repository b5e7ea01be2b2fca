"""The transitions of planning: spec, areas, new tickets. Each is a value; applying it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from attrs import frozen

from scriptorium.plan._conditions import PreconditionFailed, require
from scriptorium.plan.area import Marker
from scriptorium.plan.drafts import TicketDraft, in_order, ticket_from_draft
from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import AreaName, Oid, TicketId, ticket_id
from scriptorium.plan.layout import AREAS_FROM, SPEC, TicketState, area_path, ticket_path, ticketed_path
from scriptorium.plan.message import Kind, Message, Trailer
from scriptorium.plan.parked import area_is_parked, spec_is_parked
from scriptorium.plan.snapshot import Snapshot


@frozen
class UpdateSpec:
    """Replace the spec. With `replaces`, only if it is still the blob that the text was written from."""

    text: str
    from_architect: bool = False
    replaces: Oid | None = None

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` when the spec has changed meanwhile."""
        current = None if snapshot.spec is None else snapshot.spec.oid
        require(self.replaces in {None, current}, "the spec has changed since this text was written from it")
        kind = Kind.UPDATE_SPEC_FROM_ARCHITECT if self.from_architect else Kind.UPDATE_SPEC
        return Edits(Message(kind), {SPEC: _ending_in_newline(self.text)})


@frozen
class UpdateAreas:
    """Make the areas exactly `areas` (text by name), written from the spec `spec_oid`.

    An area that is not among them goes; its tickets stay. With `replaces`, only if the areas are still those
    that the Architect was shown: what a person has written in one meanwhile must not be undone.
    """

    spec_oid: Oid
    areas: Mapping[AreaName, str]
    replaces: Mapping[AreaName, Oid] | None = None

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` when spec or areas have changed, or none is left."""
        _require_spec(snapshot, self.spec_oid)
        require(bool(self.areas), "a spec without areas would stop all work")
        present = {name: area.oid for name, area in snapshot.areas.items()}
        require(self.replaces in (None, present), "the areas have changed meanwhile")
        writes = {area_path(name): _ending_in_newline(text) for name, text in self.areas.items()}
        gone = frozenset(area_path(name) for name in snapshot.areas if name not in self.areas)
        return Edits(Message(Kind.UPDATE_AREAS), writes | {AREAS_FROM: Marker(self.spec_oid).render()}, gone)


@frozen
class ParkSpec:
    """Give up on making areas from the spec `spec_oid`, until its text changes."""

    spec_oid: Oid

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` when the spec has changed, or has its areas."""
        _require_spec(snapshot, self.spec_oid)
        require(snapshot.areas_from != Marker(self.spec_oid), "the areas of this spec have been written")
        return Edits(Message(Kind.PARK_SPEC), {AREAS_FROM: Marker(self.spec_oid, failed=True).render()})


@frozen
class UnparkSpec:
    """Let areas be made from the spec again, where that was given up or its marker cannot be read."""

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` unless the spec as it is now was given up."""
        given_up = spec_is_parked(snapshot) or _is_unreadable(snapshot, AREAS_FROM)
        require(given_up, "making areas from the spec was not given up")
        return Edits(Message(Kind.UNPARK_SPEC), removes=frozenset({AREAS_FROM}))


@frozen
class CreateTickets:
    """Open the tickets that came of the text `area_oid` of an area; also when none came.

    Ids are given here, above every number in the tree, in the history of the branch, and `id_floor`
    (the highest that branches, refs and logs have used).
    """

    area: AreaName
    area_oid: Oid
    drafts: tuple[TicketDraft, ...]
    id_floor: int

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` when the area has changed or has had its tickets."""
        _require_area(snapshot, self.area, self.area_oid)
        try:
            drafts = in_order(self.drafts)
            ids = _ids(drafts, max(self.id_floor, snapshot.ticket_high), snapshot)
            tickets = {draft.slug: ticket_from_draft(draft, self.area, ids) for draft in drafts}
        except ValueError as error:  # refused as drafts, unreadable, or no number left
            raise PreconditionFailed(str(error)) from error
        writes = {ticketed_path(self.area): Marker(self.area_oid).render()}
        for slug, ticket in tickets.items():
            for name in ticket.depends:
                known = name in ids.values() or snapshot.state_of(name) is not None
                require(known, f"{slug} depends on ticket {name}, which is not there")
            writes[ticket_path(TicketState.OPEN, ids[slug], slug)] = ticket.text
        trailers = (
            (Trailer.AREA, str(self.area)),
            *((Trailer.TICKET, str(ids[draft.slug])) for draft in drafts),
        )
        return Edits(Message(Kind.CREATE_TICKETS, trailers=trailers), writes)


@frozen
class ParkArea:
    """Give up on making tickets from the text `area_oid` of an area, until it changes."""

    area: AreaName
    area_oid: Oid

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` when the area has changed or has had its tickets."""
        _require_area(snapshot, self.area, self.area_oid)
        message = Message(Kind.PARK_AREA, self.area, ((Trailer.AREA, self.area),))
        return Edits(message, {ticketed_path(self.area): Marker(self.area_oid, failed=True).render()})


@frozen
class UnparkArea:
    """Let tickets be made from an area again, where that was given up or its marker cannot be read."""

    area: AreaName

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` unless the area as it is now was given up."""
        path = ticketed_path(self.area)
        if self.area not in snapshot.areas:
            unreadable = snapshot.problem_at(area_path(self.area))
            raise PreconditionFailed(
                f"there is no area {self.area}" if unreadable is None else str(unreadable)
            )
        given_up = area_is_parked(snapshot, self.area) or _is_unreadable(snapshot, path)
        require(given_up, f"making tickets from the area {self.area} was not given up")
        message = Message(Kind.UNPARK_AREA, self.area, ((Trailer.AREA, self.area),))
        return Edits(message, removes=frozenset({path}))


def _ids(drafts: tuple[TicketDraft, ...], highest: int, snapshot: Snapshot) -> dict[str, TicketId]:
    return {draft.slug: name for draft, name in zip(drafts, free_ids(highest, snapshot), strict=False)}


def free_ids(highest: int, snapshot: Snapshot) -> Iterator[TicketId]:
    """The ids above `highest`, lowest first, but for those of the files that do not count towards it.

    Raises `ValueError` when there is no number left.
    """
    names = (ticket_id(number) for number in count(highest + 1))
    return (name for name in names if not any(name in folder.names for folder in snapshot.folders.values()))


def _require_spec(snapshot: Snapshot, spec_oid: Oid) -> None:
    require(snapshot.spec is not None and snapshot.spec.oid == spec_oid, "the spec has changed meanwhile")


def _require_area(snapshot: Snapshot, name: AreaName, oid: Oid) -> None:
    area = snapshot.areas.get(name)
    if area is None:
        raise PreconditionFailed(f"there is no area {name} any more")
    require(area.oid == oid, f"the area {name} has changed meanwhile")
    require(snapshot.ticketed.get(name) != Marker(oid), f"the tickets of this text of {name} are there")


def _is_unreadable(snapshot: Snapshot, path: str) -> bool:
    problem = snapshot.problem_at(path)
    return problem is not None and problem.path == path


def _ending_in_newline(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
