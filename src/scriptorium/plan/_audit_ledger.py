"""What the history of the plan branch has said so far, and what the next commit must therefore not say."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from attrs import define, field

from scriptorium.plan._audit_by_hand import faults_by_hand
from scriptorium.plan._audit_rules import Fault, faults_of_transition
from scriptorium.plan._audit_steps import Place, Step, TicketChange
from scriptorium.plan._audit_undone import HORIZON, Past, past
from scriptorium.plan.ids import InvalidName, Oid, TicketId, counted, parse_oid, ticket_number
from scriptorium.plan.message import Kind, Trailer


@define
class Ledger:
    """Where each ticket is, who has been there, the highest numbers; `look_at` takes the commits in order.

    `landed` has what the base branch must contain: the commit, with the plan's commit that says so.
    `marked` has the areas whose marker scriptorium has written, and not taken away.
    """

    landed: dict[Oid, tuple[Oid, TicketId]] = field(factory=dict)
    marked: set[str] = field(factory=set)
    _places: dict[TicketId, frozenset[Place]] = field(factory=dict)
    _gone: dict[TicketId, frozenset[Place]] = field(factory=dict)
    _earlier: deque[Past] = field(factory=lambda: deque(maxlen=HORIZON))
    _used: set[TicketId] = field(factory=set)
    _highest_ticket: int = -1
    _highest_entry: int = 0

    def look_at(self, step: Step) -> Iterator[Fault]:
        """The faults of the next commit, in the order of history."""
        if step.cut:
            yield Fault(
                "history-cut", "the history before it is not in this repository: a shallow clone", note=True
            )
            for ticket, change in step.tickets.items():
                self._put(ticket, change.after)
            self._take_in(step)
            return
        yield from self._shape(step)
        yield from self._content(step)
        yield from self._tickets(step)
        yield from self._queue(step)
        self._take_in(step)
        self._earlier.append(past(step))

    def _shape(self, step: Step) -> Iterator[Fault]:
        if len(step.facts.parents) > 1:
            yield Fault("not-linear", f"it has {len(step.facts.parents)} parents")
        is_first = not step.facts.parents
        says_first = step.own and step.message is not None and step.message.kind is Kind.INITIALIZE
        if is_first != says_first:
            yield Fault("first-commit", "the first commit, and no other, initializes the plan branch")

    def _content(self, step: Step) -> Iterator[Fault]:
        if not step.own:
            yield from faults_by_hand(step, reversed(self._earlier))
        elif step.message is None:
            yield Fault("unknown-subject", f"{step.subject[:80]!a} is no transition's subject")
        else:
            yield from faults_of_transition(step, step.message)

    def _tickets(self, step: Step) -> Iterator[Fault]:
        highest = self._highest_ticket
        for ticket, change in step.tickets.items():
            seen = ticket in self._places
            before = self._places.get(ticket, frozenset())
            after = (before - change.before) | change.after
            path = min((place.path(ticket) for place in change.after or change.before), default=None)
            if seen and not before and (step.own or not self._came_back(ticket, change)):
                # A ticket that a person made and removed before scriptorium had to do with it left nothing.
                harmless = step.own and ticket not in self._used
                said = f"the id {ticket} was another ticket's, which is gone"
                yield Fault("id-reused", said, path, note=harmless)
            if step.own and not seen and ticket_number(ticket) <= highest:
                yield Fault("id-not-rising", f"the id {ticket} is below one that was given before", path)
            if len(after) > 1:
                yield Fault("several-places", f"ticket {ticket} is in {len(after)} places at once", path)
            if step.own and not after:
                yield Fault("ticket-lost", f"ticket {ticket} is gone", path)
            self._put(ticket, after)
            if step.own:
                self._used.add(ticket)
                self._highest_ticket = max(self._highest_ticket, counted(ticket_number(ticket)))

    def _came_back(self, ticket: TicketId, change: TicketChange) -> bool:
        """Whether it is the ticket that was there before: a person may take back what a person did."""
        slugs = {place.slug for place in self._gone.get(ticket, ())}
        return slugs.issuperset(place.slug for place in change.after)

    def _put(self, ticket: TicketId, places: frozenset[Place]) -> None:
        if not places:
            self._gone[ticket] = self._places.get(ticket, frozenset())
        self._places[ticket] = places

    def _queue(self, step: Step) -> Iterator[Fault]:
        if not step.own or step.message is None or step.message.kind is not Kind.ENQUEUE:
            return
        value = step.message.value(Trailer.QUEUE) or ""
        number = int(value) if value.isdecimal() and len(value) <= 9 else 0
        if number <= self._highest_entry:
            yield Fault("queue-number", f"the Queue trailer says {value!a}, after {self._highest_entry:04d}")
        self._highest_entry = max(counted(number), self._highest_entry)

    def _take_in(self, step: Step) -> None:
        if not step.own or step.message is None:
            return
        areas = step.message.values(Trailer.AREA)
        if step.message.kind in {Kind.CREATE_TICKETS, Kind.PARK_AREA}:
            self.marked.update(areas)
        elif step.message.kind is Kind.UNPARK_AREA:
            self.marked.difference_update(areas)
        elif step.message.kind is Kind.COMPLETE:
            ticket = step.message.value(Trailer.TICKET) or ""
            try:
                landed = parse_oid(step.message.value(Trailer.LANDED) or "")
            except InvalidName:
                return  # said already
            self.landed[landed] = (step.commit, TicketId(ticket))
