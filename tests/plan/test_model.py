"""Random transitions, legal and not, with hand edits in between, against a model of a few lines."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scriptorium.plan.audit import Severity, audit_history
from scriptorium.plan.ids import Oid, TicketId, ticket_id
from scriptorium.plan.layout import TicketState
from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.transitions import (
    CompleteTicket,
    CreateTickets,
    Enqueue,
    ParkTicket,
    PreconditionFailed,
    RecordRun,
    ReopenTicket,
    StartLanding,
    Transition,
    UpdateAreas,
    UpdateSpec,
)

from .plans import CORE, OID_A, OID_B, REOPENED, Plan, draft_text, run_note

IDS = st.integers(1, 6).map(ticket_id)
OPEN, BUSY = TicketState.OPEN, TicketState.IN_PROGRESS


class PlanMachine(RuleBasedStateMachine):
    """The model: the state of each ticket, who is queued, who is being landed, how many commits there are."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.plan = Plan(Path(self.folder.name) / "project")
        self.states: dict[TicketId, TicketState] = {}
        self.queued: dict[TicketId, Oid] = {}
        self.active: TicketId | None = None
        self.commits = self.plan.length()
        self.texts = 0

    def teardown(self) -> None:
        errors = [f for f in audit_history(self.plan.git_dir) if f.severity is Severity.ERROR]
        assert errors == []
        self.folder.cleanup()

    def attempt(self, transition: Transition, legal: bool) -> bool:
        """Commit: it must work exactly when the model says so, and be one commit when it does."""
        try:
            self.plan.repository.commit(transition)
        except PreconditionFailed:
            assert not legal
            return False
        assert legal
        self.commits += 1
        return True

    def is_in(self, ticket: TicketId, *states: TicketState) -> bool:
        return self.states.get(ticket) in states

    def leaves_queue(self, ticket: TicketId) -> None:
        self.queued.pop(ticket, None)
        if self.active == ticket:
            self.active = None

    @rule(count=st.integers(0, 2))
    def replan(self, count: int) -> None:
        self.texts += 1
        self.attempt(UpdateSpec(f"Spec {self.texts}.\n"), legal=True)
        spec = self.plan.snapshot.spec
        assert spec is not None
        self.attempt(UpdateAreas(spec.oid, {CORE: f"Core {self.texts}.\n"}), legal=True)
        before = set(self.plan.snapshot.tickets)
        area = self.plan.snapshot.areas[CORE]
        self.plan.tickets(CORE, **{f"t{n}": draft_text(f"Ticket {self.texts} {n}") for n in range(count)})
        self.commits += 1
        new = set(self.plan.snapshot.tickets) - before
        assert len(new) == count
        self.states |= dict.fromkeys(new, OPEN)
        self.attempt(CreateTickets(CORE, area.oid, (), 0), legal=False)

    @rule(ticket=IDS)
    def assign(self, ticket: TicketId) -> None:
        legal = self.is_in(ticket, OPEN) and BUSY not in self.states.values()
        try:
            self.plan.assign(ticket)
        except PreconditionFailed:
            assert not legal
        else:
            assert legal
            self.commits += 1
            self.states[ticket] = BUSY

    @rule(ticket=IDS, attempt=st.integers(1, 10**6))
    def record(self, ticket: TicketId, attempt: int) -> None:
        known = ticket in self.states and any(
            run.attempt == attempt for run in self.plan.snapshot.tickets[ticket].ticket.runs
        )
        if not known:
            self.attempt(RecordRun(ticket, run_note(attempt)), legal=ticket in self.states)

    @rule(ticket=IDS, commit=st.sampled_from([OID_A, OID_B]))
    def enqueue(self, ticket: TicketId, commit: Oid) -> None:
        if self.queued.get(ticket) == commit and self.is_in(ticket, BUSY):
            assert self.plan.enqueue(ticket, commit).commit == self.plan.repository.tip()
            return
        legal = self.is_in(ticket, BUSY) and self.active != ticket
        if self.attempt(Enqueue(ticket, "b", commit, "Done."), legal):
            self.queued[ticket] = commit

    @rule(ticket=IDS)
    def start_landing(self, ticket: TicketId) -> None:
        if self.active is not None and self.active == ticket:
            return
        if self.attempt(StartLanding(ticket), legal=ticket in self.queued and self.active is None):
            self.active = ticket

    @rule(ticket=IDS)
    def complete(self, ticket: TicketId) -> None:
        if self.attempt(CompleteTicket(ticket, OID_A), legal=self.is_in(ticket, BUSY)):
            self.states[ticket] = TicketState.DONE
            self.leaves_queue(ticket)

    @rule(ticket=IDS)
    def reopen(self, ticket: TicketId) -> None:
        if self.attempt(ReopenTicket(ticket, REOPENED), legal=self.is_in(ticket, BUSY)):
            self.states[ticket] = OPEN
            self.leaves_queue(ticket)

    @rule(ticket=IDS)
    def park(self, ticket: TicketId) -> None:
        note = ReopenNote(reason=ReopenReason.AGENT_FAILED)
        if self.attempt(ParkTicket(ticket, note), legal=self.is_in(ticket, BUSY, OPEN)):
            self.states[ticket] = TicketState.STUCK
            self.leaves_queue(ticket)

    @precondition(lambda self: OPEN in self.states.values())
    @rule(data=st.data())
    def edit_by_hand(self, data: st.DataObject) -> None:
        choices = sorted(ticket for ticket, state in self.states.items() if state is OPEN)
        file = self.plan.snapshot.tickets[data.draw(st.sampled_from(choices))]
        self.plan.by_hand({file.path: f"{file.ticket.text}\nBy hand.\n".encode()})
        self.commits += 1

    @invariant()
    def the_branch_says_what_the_model_says(self) -> None:
        snapshot = self.plan.snapshot
        assert {file.id: file.state for file in snapshot.tickets.values()} == self.states
        assert {entry.ticket: entry.commit for entry in snapshot.pending} == self.queued
        assert (snapshot.active and snapshot.active.ticket) == self.active
        assert snapshot.problems == ()


PlanMachine.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


TestModel = pytest.mark.slow(pytest.mark.req("V1-32", "V1-33")(PlanMachine.TestCase))
