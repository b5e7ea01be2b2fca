"""The transitions of planning: spec, areas, new tickets. Each is a value; applying it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from scriptorium.plan._conditions import PreconditionFailed, require
from scriptorium.plan.area import Marker
from scriptorium.plan.drafts import DraftsRefused, TicketDraft, in_order, ticket_from_draft
from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import AreaName, InvalidName, Oid, TicketId, parse_ticket_id, ticket_id
from scriptorium.plan.layout import AREAS_FROM, SPEC, TicketState, area_path, ticket_path, ticketed_path
from scriptorium.plan.message import Kind, Message, Trailer
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

    An area that is not among them goes; its tickets stay.
    """

    spec_oid: Oid
    areas: Mapping[AreaName, str]

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` when the spec has changed, or there is no area."""
        _require_spec(snapshot, self.spec_oid)
        require(bool(self.areas), "a spec without areas would stop all work")
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
            ids = _ids(drafts, max(self.id_floor, snapshot.ticket_high))
            tickets = {draft.slug: ticket_from_draft(draft, self.area, ids) for draft in drafts}
        except (DraftsRefused, InvalidName) as error:
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


def _ids(drafts: tuple[TicketDraft, ...], highest: int) -> dict[str, TicketId]:
    return {draft.slug: parse_ticket_id(ticket_id(highest + 1 + n)) for n, draft in enumerate(drafts)}


def _require_spec(snapshot: Snapshot, spec_oid: Oid) -> None:
    require(snapshot.spec is not None and snapshot.spec.oid == spec_oid, "the spec has changed meanwhile")


def _require_area(snapshot: Snapshot, name: AreaName, oid: Oid) -> None:
    area = snapshot.areas.get(name)
    if area is None:
        raise PreconditionFailed(f"there is no area {name} any more")
    require(area.oid == oid, f"the area {name} has changed meanwhile")
    require(snapshot.ticketed.get(name) != Marker(oid), f"the tickets of this text of {name} are there")


def _ending_in_newline(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
