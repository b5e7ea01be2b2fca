"""The plan branch as a model of a few lines: what is where, and what each transition makes of it.

Written from the contract alone. It knows no trees, no files and no snapshots; `test_plan_model.py` holds the
real plan against it, step by step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import assert_never

from attrs import define, evolve, field, frozen

from scriptorium.plan.ids import AreaName, Oid, Slug, TicketId, ticket_id
from scriptorium.plan.layout import AREAS, PENDING, TicketState
from scriptorium.plan.repair import RepairPlan
from scriptorium.plan.spec import PLACEHOLDER
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

OPEN, IN_PROGRESS, DONE, STUCK = TicketState

AnyTransition = (
    UpdateSpec | UpdateAreas | ParkSpec | UnparkSpec | CreateTickets | ParkArea | UnparkArea
    | AssignTicket | RecordRun | Enqueue | StartLanding | CompleteTicket | ReopenTicket | ParkTicket
    | UnparkTicket | CreateRecoveryTicket | RepairPlan
)  # fmt: skip
"""Everything that changes the plan. A transition that is missing here fails a test."""


MENDS = "recover-base-"
"""How the slugs of the tickets begin that mend the base branch."""


class Said(Enum):
    """What a transition comes to."""

    ILLEGAL = auto()
    NOTHING_NEW = auto()
    CHANGED = auto()


def blob_oid(text: str) -> Oid:
    """The oid that git gives a text."""
    content = text.encode()
    return Oid(hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest())


@frozen
class Made:
    """Which text something was made from; `failed`: that it was given up."""

    oid: Oid
    failed: bool = False


@frozen
class ModelTicket:
    """A ticket: the folders that it is in (one, unless a person copied it), and what happened to it."""

    slug: Slug
    area: AreaName
    depends: tuple[TicketId, ...]
    places: frozenset[TicketState]
    runs: tuple[int, ...] = ()
    reopens: int = 0
    has_worktree: bool = False

    @property
    def mends_base(self) -> bool:
        """Whether scriptorium made it to have a red base branch mended."""
        return self.slug.startswith(MENDS)

    @property
    def state(self) -> TicketState | None:
        """Where it is, when that is one place."""
        return next(iter(self.places)) if len(self.places) == 1 else None


@frozen
class Entry:
    """One submission in the queue."""

    number: int
    ticket: TicketId
    commit: Oid


@frozen
class Tree:
    """The plan at one commit."""

    spec: str = PLACEHOLDER
    areas: Mapping[AreaName, str] = field(factory=dict)
    areas_from: Made | None = None
    ticketed: Mapping[AreaName, Made] = field(factory=dict)
    tickets: Mapping[TicketId, ModelTicket] = field(factory=dict)
    queue: frozenset[Entry] = frozenset()
    named: tuple[int, TicketId] | None = None
    """The entry that is being landed, by number and ticket; a person may have removed it."""
    bare: frozenset[str] = frozenset()
    """The folders whose `.gitkeep` a person has removed."""

    @property
    def spec_oid(self) -> Oid:
        """The oid of the spec."""
        return blob_oid(self.spec)

    @property
    def active(self) -> Entry | None:
        """The entry that is being landed, if it is there."""
        return next((entry for entry in self.queue if (entry.number, entry.ticket) == self.named), None)

    def state_of(self, ticket: TicketId) -> TicketState | None:
        """Where a ticket is; None when it is nowhere or in several places."""
        found = self.tickets.get(ticket)
        return None if found is None else found.state

    def entry_of(self, ticket: TicketId) -> Entry | None:
        """The submission of a ticket that waits."""
        return next((entry for entry in self.queue if entry.ticket == ticket), None)

    def is_empty(self, folder: str) -> bool:
        """Whether nothing but a `.gitkeep` is in a folder that is kept."""
        if folder == AREAS:
            return not self.areas and self.areas_from is None
        if folder == PENDING:
            return not self.queue
        return not any(place.folder == folder for found in self.tickets.values() for place in found.places)

    def with_ticket(self, ticket: TicketId, changed: ModelTicket) -> Tree:
        """The plan with one ticket changed."""
        return evolve(self, tickets={**self.tickets, ticket: changed})

    def without_queue(self, tickets: Iterable[TicketId]) -> Tree:
        """The plan without what the queue has of these tickets."""
        gone = set(tickets)
        named = None if self.named is not None and self.named[1] in gone else self.named
        return evolve(self, queue=frozenset(e for e in self.queue if e.ticket not in gone), named=named)


@define
class Model:
    """The plan as it is now, and the numbers that history gave out."""

    tree: Tree = field(factory=Tree)
    highest_ticket: int = 0
    highest_entry: int = 0
    put: dict[TicketId, TicketState] = field(factory=dict)
    """Where the last transition put each ticket."""

    def after(self, transition: AnyTransition) -> Tree | None:
        """The plan that a transition would make; None when it is illegal."""
        after = _after(self, transition)
        if after is None or isinstance(transition, RepairPlan):
            return after
        # A folder that a transition empties is kept, whatever a person removed from it.
        filled = {
            folder for folder in after.bare if after.is_empty(folder) and not self.tree.is_empty(folder)
        }
        return evolve(after, bare=after.bare - filled)

    def apply(self, transition: AnyTransition) -> Said:
        """Carry out `transition`, if it is legal."""
        after = self.after(transition)
        if after is None:
            return Said.ILLEGAL
        if after == self.tree:
            return Said.NOTHING_NEW
        self._remember(transition, after)
        self.tree = after
        return Said.CHANGED

    def _remember(self, transition: AnyTransition, after: Tree) -> None:
        named = getattr(transition, "ticket", None)
        if named is not None:
            # One that a person made got no number from us; that we had to do with it takes its number.
            self.highest_ticket = max(self.highest_ticket, int(named))
        if isinstance(transition, (CreateTickets, CreateRecoveryTicket)):
            new = after.tickets.keys() - self.tree.tickets.keys()
            self.highest_ticket = max((self.highest_ticket, *map(int, new)))
            self.put.update(dict.fromkeys(new, OPEN))
        elif isinstance(transition, Enqueue):
            self.highest_entry = max((self.highest_entry, *(entry.number for entry in after.queue)))
        elif isinstance(transition, (AssignTicket, CompleteTicket, ReopenTicket, ParkTicket, UnparkTicket)):
            (self.put[transition.ticket],) = after.tickets[transition.ticket].places

    @property
    def next_ticket(self) -> int:
        """The number of the next ticket: above all in the tree, and all that were given out."""
        return 1 + max((self.highest_ticket, *map(int, self.tree.tickets)))

    @property
    def next_entry(self) -> int:
        """The number of the next entry."""
        return 1 + max((self.highest_entry, *(entry.number for entry in self.tree.queue)))


def _after(model: Model, transition: AnyTransition) -> Tree | None:  # noqa: C901, PLR0912 - a table
    """The plan after a transition; None when it is illegal."""
    tree = model.tree
    match transition:
        case UpdateSpec():
            legal = transition.replaces in {None, tree.spec_oid}
            return evolve(tree, spec=transition.text) if legal else None
        case UpdateAreas():
            return _with_areas(tree, transition)
        case ParkSpec(spec_oid=oid):
            legal = oid == tree.spec_oid and tree.areas_from != Made(oid)
            return evolve(tree, areas_from=Made(oid, failed=True)) if legal else None
        case UnparkSpec():
            return (
                evolve(tree, areas_from=None) if tree.areas_from == Made(tree.spec_oid, failed=True) else None
            )
        case CreateTickets(area=area, area_oid=oid):
            return _with_tickets(model, transition) if _may_ticket(tree, area, oid) else None
        case CreateRecoveryTicket():
            return _with_recovery(model, transition)
        case ParkArea(area=area, area_oid=oid):
            if not _may_ticket(tree, area, oid):
                return None
            return evolve(tree, ticketed={**tree.ticketed, area: Made(oid, failed=True)})
        case UnparkArea(area=area):
            if area not in tree.areas or tree.ticketed.get(area) != Made(
                blob_oid(tree.areas[area]), failed=True
            ):
                return None
            return evolve(tree, ticketed={name: made for name, made in tree.ticketed.items() if name != area})
        case AssignTicket(ticket=ticket):
            return _moved(tree, ticket, {OPEN}, IN_PROGRESS) if _may_assign(tree, ticket) else None
        case RecordRun(ticket=ticket, note=note):
            return _with_run(tree, ticket, note.attempt)
        case Enqueue():
            return _with_entry(model, transition)
        case StartLanding(ticket=ticket):
            return _landing(tree, ticket)
        case CompleteTicket(ticket=ticket):
            return _moved(tree, ticket, {IN_PROGRESS}, DONE)
        case ReopenTicket(ticket=ticket):
            return _moved(tree, ticket, {IN_PROGRESS}, OPEN, reopened=1)
        case ParkTicket(ticket=ticket):
            return _moved(tree, ticket, {IN_PROGRESS, OPEN}, STUCK, reopened=1)
        case UnparkTicket(ticket=ticket):
            return _moved(tree, ticket, {STUCK}, OPEN)
        case RepairPlan():
            return _repaired(model)
        case _:
            assert_never(transition)


def _with_areas(tree: Tree, transition: UpdateAreas) -> Tree | None:
    present = {name: blob_oid(text) for name, text in tree.areas.items()}
    if (
        transition.spec_oid != tree.spec_oid
        or not transition.areas
        or transition.replaces not in (None, present)
    ):
        return None
    return evolve(tree, areas=dict(transition.areas), areas_from=Made(tree.spec_oid))


def _may_ticket(tree: Tree, area: AreaName, oid: Oid) -> bool:
    return area in tree.areas and oid == blob_oid(tree.areas[area]) and tree.ticketed.get(area) != Made(oid)


def _with_tickets(model: Model, transition: CreateTickets) -> Tree | None:
    """The new tickets, in the order of their slugs: a draft depends on earlier ones, or on what is there."""
    tree, area = model.tree, transition.area
    first = max(model.next_ticket, transition.id_floor + 1)
    new: dict[TicketId, ModelTicket] = {}
    for number, draft in enumerate(sorted(transition.drafts, key=lambda draft: draft.slug), first):
        by_slug = {made.slug: name for name, made in new.items()}
        depends = tuple(by_slug.get(Slug(name), TicketId(name)) for name in draft.depends)
        if any(tree.state_of(name) is None and name not in new for name in depends):
            return None
        new[ticket_id(number)] = ModelTicket(draft.slug, area, depends, frozenset({OPEN}))
    made = {**tree.ticketed, area: Made(transition.area_oid)}
    return evolve(tree, tickets={**tree.tickets, **new}, ticketed=made)


def _with_recovery(model: Model, transition: CreateRecoveryTicket) -> Tree | None:
    """One such ticket at a time, and one for each commit that is red."""
    tree, slug = model.tree, Slug(f"{MENDS}{transition.red.commit[:12]}")
    for found in tree.tickets.values():
        if found.mends_base and (found.places & {OPEN, IN_PROGRESS} or found.slug == slug):
            return None
    number = ticket_id(max(model.next_ticket, transition.id_floor + 1))
    return tree.with_ticket(number, ModelTicket(slug, AreaName("recovery"), (), frozenset({OPEN})))


def _may_assign(tree: Tree, ticket: TicketId) -> bool:
    found = tree.tickets.get(ticket)
    if found is None or found.state is not OPEN:
        return False
    busy = {other.area for other in tree.tickets.values() if other.state is IN_PROGRESS}
    has_room = found.mends_base or found.area not in busy
    return has_room and all(tree.state_of(name) is DONE for name in found.depends)


def _with_run(tree: Tree, ticket: TicketId, attempt: int) -> Tree | None:
    found = tree.tickets.get(ticket)
    if found is None or found.state is None:
        return None
    runs = found.runs if attempt in found.runs else (*found.runs, attempt)
    return tree.with_ticket(ticket, evolve(found, runs=runs))


def _with_entry(model: Model, transition: Enqueue) -> Tree | None:
    tree, ticket = model.tree, transition.ticket
    if tree.state_of(ticket) is not IN_PROGRESS:
        return None
    earlier = tree.entry_of(ticket)
    if earlier is not None and earlier.commit == transition.commit:
        return tree
    if tree.active is not None and tree.active.ticket == ticket:
        return None
    kept = frozenset(entry for entry in tree.queue if entry.ticket != ticket)
    return evolve(tree, queue=kept | {Entry(model.next_entry, ticket, transition.commit)})


def _landing(tree: Tree, ticket: TicketId) -> Tree | None:
    entry, active = tree.entry_of(ticket), tree.active
    if tree.state_of(ticket) is not IN_PROGRESS or entry is None:
        return None
    is_held = active is not None and active != entry and tree.state_of(active.ticket) is IN_PROGRESS
    if is_held and not tree.tickets[ticket].mends_base:
        return None
    return evolve(tree, named=(entry.number, ticket))


def _moved(
    tree: Tree, ticket: TicketId, states: set[TicketState], to: TicketState, *, reopened: int = 0
) -> Tree | None:
    found = tree.tickets.get(ticket)
    if found is None or found.state not in states:
        return None
    places, reopens = frozenset({to}), found.reopens + reopened
    moved = evolve(found, places=places, reopens=reopens, has_worktree=to is IN_PROGRESS)
    return tree.with_ticket(ticket, moved).without_queue([ticket])


def _repaired(model: Model) -> Tree:
    """What is put right: copies of a ticket, but where scriptorium put it; the queue of those elsewhere."""
    tree = model.tree
    copied = {ticket for ticket, found in tree.tickets.items() if len(found.places) > 1}
    waiting = {entry.ticket for entry in tree.queue} - copied
    after = tree.without_queue(name for name in waiting if tree.state_of(name) is not IN_PROGRESS)
    if tree.active is None:
        after = evolve(after, named=None)
    for ticket in copied:
        found, put = tree.tickets[ticket], model.put.get(ticket)
        submitted = any(entry.ticket == ticket for entry in tree.queue)
        if put in found.places and (put is IN_PROGRESS or not submitted):
            after = after.with_ticket(ticket, evolve(found, places=frozenset({put})))
    return evolve(after, bare=frozenset())
