"""A transition of each kind, in a plan where it applies: what the tests of kills and faults make happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final

import pygit2
from attrs import frozen

from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.init import initialize
from scriptorium.plan.layout import TicketState
from scriptorium.plan.message import Kind
from scriptorium.plan.packing import roll_up
from scriptorium.plan.repair import RepairPlan, queue_repairs
from scriptorium.plan.repository import PlanRepository
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
    Transition,
    UnparkArea,
    UnparkSpec,
    UnparkTicket,
    UpdateAreas,
    UpdateSpec,
)
from tests.plan.plans import CORE, DOCS, OID_A, OID_B, REOPENED, Plan, draft_text, red_base, run_note

from .aftermath import audit_errors

NOW: Final = 1_700_000_100.0
"""When all commits of the tests are made: the same transition of the same plan is then the same commit."""

Act = Callable[[], Oid]
"""Makes the transition; returns the commit that the plan branch is then at. May be called again."""


@frozen
class Case:
    """A repository in `root` in which a transition is about to be made.

    `begin` opens a repository, of `root` or of a copy, by its git directory; `known` is what an audit has to
    say of the past that leads there.
    """

    root: Path
    begin: Callable[[Path], Act]
    known: frozenset[str] = frozenset()


def make_case(kind: Kind, root: Path, chance: Random | None = None) -> Case:
    """A case of that kind in a new folder; with `chance`, after a past and in a state drawn by it."""
    if kind is Kind.INITIALIZE:
        pygit2.init_repository(str(root), initial_head="main")
        return Case(root, _initialization)
    plan = Plan(root)
    if chance is not None:
        _give_past(plan, chance)
    transition = PREPARE[kind](plan)
    if chance is not None:
        _rearrange(plan, chance)
    return Case(root, lambda git_dir: _transition(git_dir, transition), audit_errors(plan.git_dir))


def _initialization(git_dir: Path) -> Act:
    return lambda: initialize(git_dir, now=lambda: NOW)


def _transition(git_dir: Path, transition: Transition) -> Act:
    repository = PlanRepository(git_dir, now=lambda: NOW, pause=lambda _seconds: None)
    return lambda: repository.commit(transition).commit


def _give_past(plan: Plan, chance: Random) -> None:
    for number in range(chance.randrange(4)):
        plan.repository.commit(UpdateSpec("Built before.\n" * chance.randrange(1, 2000)))
        ticket = _open(plan, words=chance.randrange(1, 3000))
        plan.assign(ticket)
        for attempt in range(chance.randrange(3)):
            plan.repository.commit(RecordRun(ticket, run_note(attempt + 1)))
        plan.enqueue(ticket, OID_A if number else OID_B)
        plan.land(ticket)


def _rearrange(plan: Plan, chance: Random) -> None:
    """What git, scriptorium or a person may have done to the repository without changing the plan."""
    steps: list[Callable[[], object]] = [
        lambda: plan.git("pack-refs", "--all"),
        lambda: plan.git("gc", "--quiet"),
        lambda: plan.git("repack", "-q", "-a", "-d"),
        lambda: plan.git("config", "core.logAllRefUpdates", "false"),
        lambda: plan.git("reflog", "expire", "--expire=now", "--all"),
        lambda: roll_up(plan.git_dir, packs=1),
    ]
    for step in chance.sample(steps, chance.randrange(3)):
        step()


# ---------------------------------------------------------------- a plan in which each applies


def _open(plan: Plan, words: int = 1) -> TicketId:
    """A new open ticket."""
    plan.areas(CORE)
    area = f"The core, after {plan.snapshot.ticket_high}.\n"
    plan.repository.commit(UpdateAreas(_spec(plan), {CORE: area}))
    plan.tickets(CORE, first=draft_text(f"Do it {plan.snapshot.ticket_high} " + "well " * words))
    (file,) = plan.snapshot.in_state(TicketState.OPEN)
    return file.id


def _in_progress(plan: Plan) -> TicketId:
    ticket = _open(plan)
    plan.assign(ticket)
    return ticket


def _submitted(plan: Plan) -> TicketId:
    ticket = _in_progress(plan)
    plan.enqueue(ticket)
    return ticket


def _spec(plan: Plan) -> Oid:
    spec = plan.snapshot.spec
    assert spec is not None
    return spec.oid


def _update_spec(plan: Plan) -> Transition:
    plan.areas(CORE)
    return UpdateSpec("Build it, and well.\n", replaces=_spec(plan))


def _update_spec_from_architect(plan: Plan) -> Transition:
    plan.areas(CORE)
    return UpdateSpec("Build it: this way.\n", from_architect=True, replaces=_spec(plan))


def _update_areas(plan: Plan) -> Transition:
    plan.areas(CORE)
    plan.repository.commit(UpdateSpec("Build something else.\n"))
    return UpdateAreas(_spec(plan), {CORE: "The core of it.\n", DOCS: "The docs of it.\n"})


def _create_tickets(plan: Plan) -> Transition:
    plan.areas(CORE, DOCS)
    snapshot = plan.snapshot
    files = {"one.md": draft_text("One").encode(), "two.md": draft_text("Two").encode()}
    return CreateTickets(DOCS, snapshot.areas[DOCS].oid, validate_drafts(DOCS, files, snapshot), 0)


def _create_recovery(plan: Plan) -> Transition:
    _open(plan)
    return CreateRecoveryTicket(red_base(), 0)


def _assign(plan: Plan) -> Transition:
    ticket = _open(plan)
    return AssignTicket(ticket, f"scriptorium/ticket-{ticket}", f".scriptorium/worktrees/tickets/{ticket}")


def _enqueue(plan: Plan) -> Transition:
    ticket = _in_progress(plan)
    return Enqueue(ticket, f"scriptorium/ticket-{ticket}", OID_A, "Done.\nAll.")


def _start_landing(plan: Plan) -> Transition:
    return StartLanding(_submitted(plan))


def _complete(plan: Plan) -> Transition:
    ticket = _submitted(plan)
    plan.repository.commit(StartLanding(ticket))
    return CompleteTicket(ticket, OID_B)


def _reopen(plan: Plan) -> Transition:
    return ReopenTicket(_submitted(plan), REOPENED)


def _park_ticket(plan: Plan) -> Transition:
    return ParkTicket(_submitted(plan), REOPENED)


def _park_area(plan: Plan) -> Transition:
    plan.areas(CORE, DOCS)
    return ParkArea(DOCS, plan.snapshot.areas[DOCS].oid)


def _park_spec(plan: Plan) -> Transition:
    plan.areas(CORE)
    plan.repository.commit(UpdateSpec("Build something else.\n"))
    return ParkSpec(_spec(plan))


def _unpark_ticket(plan: Plan) -> Transition:
    ticket = _submitted(plan)
    plan.repository.commit(ParkTicket(ticket, REOPENED))
    return UnparkTicket(ticket)


def _unpark_area(plan: Plan) -> Transition:
    plan.repository.commit(_park_area(plan))
    return UnparkArea(DOCS)


def _unpark_spec(plan: Plan) -> Transition:
    plan.repository.commit(_park_spec(plan))
    return UnparkSpec()


def _repair(plan: Plan) -> Transition:
    """A person has moved a ticket away from under its queue entry."""
    ticket = _submitted(plan)
    file = plan.snapshot.tickets[ticket]
    text = plan.text(file.path).encode() + b"\n"
    plan.by_hand({f"tickets/stuck/{file.name}.md": text}, (file.path,))
    repairs = queue_repairs(plan.snapshot)
    assert repairs
    return RepairPlan(repairs)


PREPARE: Final[Mapping[Kind, Callable[[Plan], Transition]]] = {
    Kind.UPDATE_SPEC: _update_spec,
    Kind.UPDATE_SPEC_FROM_ARCHITECT: _update_spec_from_architect,
    Kind.UPDATE_AREAS: _update_areas,
    Kind.CREATE_TICKETS: _create_tickets,
    Kind.CREATE_RECOVERY: _create_recovery,
    Kind.ASSIGN: _assign,
    Kind.RECORD_RUN: lambda plan: RecordRun(_in_progress(plan), run_note()),
    Kind.ENQUEUE: _enqueue,
    Kind.START_LANDING: _start_landing,
    Kind.COMPLETE: _complete,
    Kind.REOPEN: _reopen,
    Kind.PARK_TICKET: _park_ticket,
    Kind.PARK_AREA: _park_area,
    Kind.PARK_SPEC: _park_spec,
    Kind.UNPARK_TICKET: _unpark_ticket,
    Kind.UNPARK_AREA: _unpark_area,
    Kind.UNPARK_SPEC: _unpark_spec,
    Kind.REPAIR: _repair,
}
"""Every kind but `INITIALIZE`, for which there is no plan yet: brings the plan there; the transition."""
