"""Looks over the whole plan branch: its tree, and each commit of its history against the transition that it
says it is. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final

from attrs import converters, define, field, frozen

from scriptorium.plan._audit_rules import Fault, faults_by_hand, faults_of_transition
from scriptorium.plan._audit_steps import Place, Step, steps
from scriptorium.plan._text import printable
from scriptorium.plan.ids import Oid, TicketId, ticket_number
from scriptorium.plan.invariants import wrong_entries
from scriptorium.plan.layout import TicketState
from scriptorium.plan.message import Kind, Trailer
from scriptorium.plan.objects import GitObjects, open_repository
from scriptorium.plan.reader import SnapshotReader
from scriptorium.plan.reading import PlanMissing
from scriptorium.plan.refs import PLAN_REF, read_ref
from scriptorium.plan.snapshot import Numbers, Snapshot
from scriptorium.plan.ticket import TicketUnreadable

MAX_FINDINGS: Final = 10_000
"""A branch with more wrong than this is not a plan branch."""


class Severity(StrEnum):
    """Whether a finding is a fault, or merely worth knowing."""

    ERROR = "error"
    NOTE = "note"


@frozen
class Finding:
    """One thing that the audit says: which rule, in which commit, about which file."""

    severity: Severity
    rule: str
    message: str
    commit: Oid | None = None
    path: str | None = field(default=None, converter=converters.optional(printable))

    def __str__(self) -> str:
        where = " ".join(part for part in (self.commit and self.commit[:12], self.path) if part)
        return f"{self.severity}: {where or 'plan branch'}: {self.message} ({self.rule})"


def audit_history(git_dir: Path) -> tuple[Finding, ...]:
    """Every finding about the plan branch in `git_dir`: of its history, oldest first, then of its tree.

    Raises:
        PlanMissing: there is no plan branch.
        ObjectMissing: the repository is damaged.
    """
    repo = open_repository(git_dir)
    objects = GitObjects(git_dir)
    tip = read_ref(repo, PLAN_REF)
    if tip is None:
        raise PlanMissing(git_dir)
    ledger = _Ledger()
    found = (finding for step in steps(repo, objects, tip) for finding in ledger.look_at(step))
    snapshot = SnapshotReader(objects).read(tip, objects.commit(tip).tree, Numbers)
    return tuple(islice(_chain(found, _of_tree(snapshot)), MAX_FINDINGS))


def _chain(*sources: Iterator[Finding]) -> Iterator[Finding]:
    for source in sources:
        yield from source


@define
class _Ledger:
    """What the history has said so far: where each ticket is, who has been there, the highest numbers."""

    places: dict[TicketId, frozenset[Place]] = field(factory=dict)
    highest_ticket: int = -1
    highest_entry: int = 0

    def look_at(self, step: Step) -> Iterator[Finding]:
        """The findings of the next commit, in the order of history."""
        for fault in (*self._shape(step), *_content(step), *self._tickets(step), *self._queue(step)):
            severity = Severity.NOTE if fault.note else Severity.ERROR
            yield Finding(severity, fault.rule, fault.message, step.commit, fault.path)

    def _shape(self, step: Step) -> Iterator[Fault]:
        if len(step.facts.parents) > 1:
            yield Fault("not-linear", f"it has {len(step.facts.parents)} parents")
        is_first = not step.facts.parents
        says_first = step.own and step.message is not None and step.message.kind is Kind.INITIALIZE
        if is_first != says_first:
            yield Fault("first-commit", "the first commit, and no other, initializes the plan branch")

    def _tickets(self, step: Step) -> Iterator[Fault]:
        highest = self.highest_ticket
        for ticket, change in step.tickets.items():
            seen = ticket in self.places
            before = self.places.get(ticket, frozenset())
            after = (before - change.before) | change.after
            if seen and not before:
                yield Fault("id-reused", f"the id {ticket} was another ticket's, which is gone")
            if step.own and not seen and ticket_number(ticket) <= highest:
                yield Fault("id-not-rising", f"the id {ticket} is below one that was given before")
            if len(after) > 1:
                yield Fault("several-places", f"ticket {ticket} is in {len(after)} places at once")
            if step.own and not after:
                yield Fault("ticket-lost", f"ticket {ticket} is gone")
            self.places[ticket] = after
            self.highest_ticket = max(self.highest_ticket, ticket_number(ticket))

    def _queue(self, step: Step) -> Iterator[Fault]:
        if not step.own or step.message is None or step.message.kind is not Kind.ENQUEUE:
            return
        value = step.message.value(Trailer.QUEUE) or ""
        number = int(value) if value.isdecimal() and len(value) <= 9 else 0
        if number <= self.highest_entry:
            yield Fault("queue-number", f"the Queue trailer says {value!a}, after {self.highest_entry:04d}")
        self.highest_entry = max(number, self.highest_entry)


def _content(step: Step) -> Iterator[Fault]:
    if not step.own:
        yield from faults_by_hand(step)
    elif step.message is None:
        subject = step.facts.message.partition("\n")[0]
        yield Fault("unknown-subject", f"{subject[:80]!a} is no transition's subject")
    else:
        yield from faults_of_transition(step, step.message)


def _of_tree(snapshot: Snapshot) -> Iterator[Finding]:
    for problem in snapshot.problems:
        yield Finding(Severity.ERROR, "unreadable", problem.reason, path=problem.path)
    for violation in sorted(wrong_entries(snapshot)):
        yield Finding(Severity.ERROR, "queue-entry", violation.rule, path=violation.path)
    for state, folder in snapshot.folders.items():
        if not folder.kept:
            yield Finding(Severity.ERROR, "folder-kept", "its .gitkeep is missing", path=state.folder)
    for file in snapshot.in_state(TicketState.DONE):
        try:
            _ = file.ticket
        except TicketUnreadable as error:
            yield Finding(Severity.ERROR, "unreadable", str(error), path=file.path)
