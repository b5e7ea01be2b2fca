"""Which tickets landed as what, as the history of the plan branch tells it."""

from __future__ import annotations

from scriptorium.plan.landed import CLOCKS_SECONDS, Completion, completions, creation
from scriptorium.plan.message import Kind, Message, Trailer
from scriptorium.plan.refs import PLAN_REF

from .plans import CORE, OID_A, OID_B, Plan


def test_the_commit_that_completed_a_ticket_is_found_by_what_landed(plan: Plan) -> None:
    ticket = plan.with_ticket()
    created = plan.snapshot.commit
    plan.assign(ticket)
    plan.enqueue(ticket)
    completed = plan.land(ticket).commit
    plan.areas(CORE)
    plan.by_hand({"spec.md": b"With a clock that is years behind.\n"})
    tip = plan.snapshot.commit
    assert completions(plan.git_dir, tip, {OID_A, OID_B}, 0) == {OID_B: Completion(ticket, completed)}
    assert completions(plan.git_dir, tip, set(), 0) == {}
    assert creation(plan.git_dir, completed, ticket) == created
    assert creation(plan.git_dir, completed, type(ticket)("0007")) is None


def test_it_does_not_look_for_what_was_told_long_before_it_was_made(plan: Plan) -> None:
    ticket = plan.with_ticket()
    plan.assign(ticket)
    plan.enqueue(ticket)
    tip = plan.land(ticket).commit
    told = int(plan.git("log", "-1", "--format=%ct", PLAN_REF))
    assert completions(plan.git_dir, tip, {OID_B}, told + CLOCKS_SECONDS) != {}
    assert completions(plan.git_dir, tip, {OID_B}, told + CLOCKS_SECONDS + 1) == {}


def test_what_somebody_else_says_does_not_count(plan: Plan) -> None:
    said = Message(Kind.COMPLETE, "0001", ((Trailer.TICKET, "0001"), (Trailer.LANDED, OID_B)))
    plan.by_hand({"spec.md": b"Other.\n"}, message=said.render(), author=("A Person", "person@example.org"))
    assert completions(plan.git_dir, plan.snapshot.commit, {OID_B}, 0) == {}
