"""What can be tried on a plan: every transition, legal or not, and what a person does by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from scriptorium.plan.drafts import TicketDraft
from scriptorium.plan.ids import AreaName, Slug, TicketId, ticket_id
from scriptorium.plan.layout import (
    ACTIVE,
    AREAS_FROM,
    KEEP,
    KEPT_FOLDERS,
    SPEC,
    TicketState,
    area_path,
    entry_path,
    ticket_path,
    ticketed_path,
)
from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.recovery import RedBase
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateRecoveryTicket,
    CreateTickets,
    Enqueue,
    ParkArea,
    ParkSpec,
    ParkTicket,
    RecordRun,
    ReopenTicket,
    StartLanding,
    UnparkArea,
    UnparkSpec,
    UnparkTicket,
    UpdateAreas,
    UpdateSpec,
)
from tests.plan.plans import CORE, DOCS, OID_A, OID_B, REOPENED, draft_text, run_note, ticket_text

from .plan_model import AnyTransition, Model, ModelTicket, Tree, blob_oid

NOWHERE = AreaName("nowhere")
SHOWN_TICKETS = 6
"""Of a plan with many tickets, those that something happens to."""

GIVEN_UP = ReopenNote(reason=ReopenReason.AGENT_FAILED)


def tickets_of(tree: Tree) -> list[TicketId]:
    """The newest tickets of a plan."""
    return sorted(tree.tickets)[-SHOWN_TICKETS:]


def transitions(model: Model, fresh: int) -> Iterator[AnyTransition]:
    """Every transition that may be tried now, legal or not; `fresh` makes new texts new."""
    yield from _of_spec(model.tree, fresh)
    for area in (CORE, DOCS, NOWHERE):
        yield from _of_area(model.tree, area, fresh)
    for ticket in (*tickets_of(model.tree), ticket_id(model.next_ticket)):
        yield from _of_ticket(ticket)
    for commit in (OID_A, OID_B):
        red = RedBase(branch="main", commit=commit, since="2030-01-01T00:00:00Z", command="make test")
        yield CreateRecoveryTicket(red, 0)


def _of_spec(tree: Tree, fresh: int) -> Iterator[AnyTransition]:
    oid, text = tree.spec_oid, f"Spec {fresh}.\n"
    yield UpdateSpec(text)
    yield UpdateSpec(text, from_architect=True, replaces=oid)
    yield UpdateSpec(tree.spec)
    yield UpdateSpec(text, replaces=OID_A)
    both: Mapping[AreaName, str] = {CORE: f"Core {fresh}.\n", DOCS: tree.areas.get(DOCS, "Docs.\n")}
    present = {name: blob_oid(area) for name, area in tree.areas.items()}
    yield UpdateAreas(oid, both, present)
    yield UpdateAreas(oid, {CORE: tree.areas.get(CORE, "Core.\n")})
    yield UpdateAreas(oid, both, {CORE: OID_A})
    yield UpdateAreas(OID_A, both)
    yield UpdateAreas(oid, {})
    yield ParkSpec(oid)
    yield ParkSpec(OID_A)
    yield UnparkSpec()


def _of_area(tree: Tree, area: AreaName, fresh: int) -> Iterator[AnyTransition]:
    oid = blob_oid(tree.areas.get(area, ""))
    one = _draft(f"a{fresh}")
    newest = (tickets_of(tree) or [TicketId("0001")])[-1]
    yield CreateTickets(area, oid, (one, _draft(f"b{fresh}", f"a{fresh}")), 0)
    yield CreateTickets(area, oid, (_draft(f"c{fresh}", newest),), 0)
    yield CreateTickets(area, oid, (), 0)
    yield CreateTickets(area, oid, (_draft(f"d{fresh}", "0000"),), 0)
    yield CreateTickets(area, OID_A, (one,), 0)
    yield ParkArea(area, oid)
    yield ParkArea(area, OID_A)
    yield UnparkArea(area)


def _draft(slug: str, depends: str = "") -> TicketDraft:
    fields = f"**Depends:** {depends}\n" if depends else ""
    return TicketDraft(Slug(slug), draft_text(slug, fields=fields))


def _of_ticket(ticket: TicketId) -> Iterator[AnyTransition]:
    branch = f"scriptorium/ticket-{ticket}"
    yield AssignTicket(ticket, branch, f".scriptorium/worktrees/tickets/{ticket}")
    yield RecordRun(ticket, run_note(1))
    yield RecordRun(ticket, run_note(2))
    yield Enqueue(ticket, branch, OID_A, "Done.")
    yield Enqueue(ticket, branch, OID_B, "Done.")
    yield StartLanding(ticket)
    yield CompleteTicket(ticket, OID_B)
    yield ReopenTicket(ticket, REOPENED)
    yield ParkTicket(ticket, GIVEN_UP)
    yield UnparkTicket(ticket)


@frozen
class ByHand:
    """A commit by a person: what it writes (path -> text, or another path that is copied), and removes.

    `illegal` when only scriptorium may change what it changes. `after` is the plan that it makes.
    """

    name: str
    after: Tree
    writes: Mapping[str, str]
    removes: tuple[str, ...] = ()
    copies: Mapping[str, str] = {}
    illegal: bool = False


def legal_edits(model: Model, fresh: int, ever: int) -> Iterator[ByHand]:
    """What a person may change: spec, areas, open tickets. `ever` is the highest id that was ever there."""
    tree = model.tree
    text = f"By hand {fresh}.\n"
    yield ByHand("spec", evolve(tree, spec=text), {SPEC: text})
    yield ByHand("an area", evolve(tree, areas={**tree.areas, DOCS: text}), {area_path(DOCS): text})
    if CORE in tree.areas:
        left = {name: area for name, area in tree.areas.items() if name != CORE}
        yield ByHand("an area less", evolve(tree, areas=left), {}, (area_path(CORE),))
    number, slug = ticket_id(max(model.next_ticket, ever + 1) + fresh % 2), Slug(f"h{fresh}")
    new = ModelTicket(slug, DOCS, (), frozenset({TicketState.OPEN}))
    made = {ticket_path(TicketState.OPEN, number, slug): ticket_text(f"By hand {fresh}", area="docs")}
    yield ByHand("a new ticket", tree.with_ticket(number, new), made)
    for ticket in tickets_of(tree):
        found = tree.tickets[ticket]
        if found.places == {TicketState.OPEN}:
            path = ticket_path(TicketState.OPEN, ticket, found.slug)
            moved = evolve(found, area=CORE if found.area == DOCS else DOCS, depends=(), runs=(), reopens=0)
            other = ticket_text(f"Rewritten {fresh}", area=moved.area)
            yield ByHand(
                "an open ticket", tree.with_ticket(ticket, evolve(moved, has_worktree=False)), {path: other}
            )
            yield ByHand("an open ticket less", _without(tree, ticket), {}, (path,))


def illegal_edits(model: Model) -> Iterator[ByHand]:
    """What only scriptorium may change: where tickets are, queue, markers, the files that keep folders."""
    tree = model.tree
    for ticket in tickets_of(tree):
        yield from _illegal_moves(tree, ticket)
    for entry in tree.queue:
        left = evolve(tree, queue=tree.queue - {entry})
        yield ByHand("an entry less", left, {}, (entry_path(entry.number, entry.ticket),), illegal=True)
    if tree.named is not None:
        yield ByHand("no landing", evolve(tree, named=None), {}, (ACTIVE,), illegal=True)
    if tree.areas_from is not None:
        yield ByHand("no areas made", evolve(tree, areas_from=None), {}, (AREAS_FROM,), illegal=True)
    for area in tree.ticketed:
        left = evolve(tree, ticketed={name: made for name, made in tree.ticketed.items() if name != area})
        yield ByHand("no tickets made", left, {}, (ticketed_path(area),), illegal=True)
    for folder in KEPT_FOLDERS:
        if not tree.bare:
            bare = evolve(tree, bare=tree.bare | {folder})
            yield ByHand("a folder not kept", bare, {}, (f"{folder}/{KEEP}",), illegal=True)


def _illegal_moves(tree: Tree, ticket: TicketId) -> Iterator[ByHand]:
    found = tree.tickets[ticket]
    if found.state is None:
        return
    here = ticket_path(found.state, ticket, found.slug)
    for state in set(TicketState) - found.places:
        there = {ticket_path(state, ticket, found.slug): here}
        moved = tree.with_ticket(ticket, evolve(found, places=frozenset({state})))
        yield ByHand("a move", moved, {}, (here,), there, illegal=True)
        copied = tree.with_ticket(ticket, evolve(found, places=found.places | {state}))
        yield ByHand("a copy", copied, {}, (), there, illegal=True)
    if found.state is not TicketState.OPEN:
        yield ByHand("a ticket less", _without(tree, ticket), {}, (here,), illegal=True)


def _without(tree: Tree, ticket: TicketId) -> Tree:
    return evolve(tree, tickets={name: found for name, found in tree.tickets.items() if name != ticket})
