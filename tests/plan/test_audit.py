"""The audit passes what the transitions made, and names what anybody else did."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest

from scriptorium.plan.audit import Finding, Severity, audit_history
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.message import Kind, Message, Trailer, parse_message
from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.reading import PlanMissing
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.transitions import ParkArea, ParkSpec, ParkTicket, RecordRun, ReopenTicket, UpdateSpec

from .plans import CORE, DOCS, OID_A, OID_B, REOPENED, Plan, draft_text, run_note, ticket_text

ONE, TWO = TicketId("0001"), TicketId("0002")
OPEN, IN_PROGRESS, DONE = (
    "tickets/open/0001-one.md",
    "tickets/in-progress/0001-one.md",
    "tickets/done/0001-one.md",
)
OURS = ("scriptorium", "scriptorium@localhost")
TEXT = ticket_text().encode()


def findings(plan: Plan) -> tuple[Finding, ...]:
    return audit_history(plan.git_dir)


def errors(plan: Plan) -> set[str]:
    return {finding.rule for finding in findings(plan) if finding.severity is Severity.ERROR}


@pytest.fixture
def lived(plan: Plan) -> Plan:
    """A plan on which everything legal has happened, with ticket 0001 in progress and 0002 open."""
    plan.areas(CORE, DOCS)
    plan.tickets(one=draft_text("One"), two=draft_text("Two", fields="**Depends:** one\n"))
    plan.tickets(DOCS, three=draft_text("Three"))
    plan.repository.commit(ParkTicket(TicketId("0003"), ReopenNote(reason=ReopenReason.ATTEMPTS_USED_UP)))
    plan.assign(ONE)
    plan.repository.commit(RecordRun(ONE, run_note()))
    plan.enqueue(ONE)
    plan.enqueue(ONE, OID_B)
    plan.repository.commit(ReopenTicket(ONE, REOPENED))
    spec = plan.repository.commit(UpdateSpec("Build more.\n", from_architect=True)).spec
    assert spec is not None
    plan.repository.commit(ParkSpec(spec.oid))
    plan.areas(CORE, DOCS, *[area for area in plan.snapshot.areas if area not in {CORE, DOCS}])
    plan.assign(ONE)
    return plan


@pytest.mark.req("V1-33", "V1-14")
def test_what_the_transitions_make_is_found_in_order(lived: Plan) -> None:
    lived.enqueue(ONE)
    lived.land(ONE)
    lived.assign(TWO)
    lived.by_hand({"areas/more.md": b"More.\n"})
    oid = lived.snapshot.areas[next(area for area in lived.snapshot.areas if area == "more")].oid
    lived.repository.commit(ParkArea(next(area for area in lived.snapshot.areas if area == "more"), oid))
    (note,) = findings(lived)
    assert (note.severity, note.rule, note.path) == (Severity.NOTE, "hand-edit", "areas/more.md")


@pytest.mark.req("V1-33")
@pytest.mark.parametrize(
    ("writes", "removes", "rule", "path"),
    [
        ({DONE: TEXT}, (IN_PROGRESS,), "hand-made-move", None),
        ({OPEN: TEXT}, (IN_PROGRESS,), "hand-made-move", None),
        ({"tickets/in-progress/0002-two.md": TEXT}, ("tickets/open/0002-two.md",), "hand-made-move", None),
        ({DONE: TEXT}, (), "several-places", None),
        ({IN_PROGRESS: TEXT}, (), "hand-made-change", IN_PROGRESS),
        ({}, (IN_PROGRESS,), "hand-made-change", IN_PROGRESS),
        ({"tickets/.areas/core": f"{OID_A} ok\n".encode()}, (), "hand-made-change", "tickets/.areas/core"),
        ({"areas/.spec": f"{OID_A} ok\n".encode()}, (), "hand-made-change", "areas/.spec"),
        ({"queue/merge/active.md": b"x"}, (), "hand-made-change", "queue/merge/active.md"),
        ({}, ("tickets/done/.gitkeep",), "hand-made-change", "tickets/done/.gitkeep"),
    ],
)
def test_what_a_person_must_not_do_is_named(
    lived: Plan, writes: dict[str, bytes], removes: tuple[str, ...], rule: str, path: str | None
) -> None:
    assert errors(lived) == set()
    commit = lived.by_hand(writes, removes)
    found = [finding for finding in findings(lived) if finding.rule == rule]
    assert found
    assert {(finding.severity, finding.commit) for finding in found} == {(Severity.ERROR, commit)}
    assert {finding.path for finding in found} == {path}
    assert commit[:12] in str(found[0])


@pytest.mark.req("V1-33")
def test_what_a_person_may_do_is_only_noted(lived: Plan) -> None:
    lived.by_hand(
        {
            "spec.md": b"Mine.\n",
            "areas/core.md": b"Mine.\n",
            "tickets/open/0002-two.md": lived.text("tickets/open/0002-two.md").encode() + b"\nMore.\n",
            "decisions/0001-why.md": b"Because.\n",
            "README.md": b"Read me.\n",
        }
    )
    lived.by_hand({"tickets/open/0009-by-hand.md": TEXT})
    assert {(f.severity, f.rule) for f in findings(lived)} == {(Severity.NOTE, "hand-edit")}
    assert len(findings(lived)) == 6


def render(kind: Kind, name: str = "", **trailers: str) -> str:
    return Message(kind, name, tuple((Trailer(key), value) for key, value in trailers.items())).render()


ASSIGN_TWO = {"tickets/in-progress/0002-two.md": TEXT}
TWO_OPEN = ("tickets/open/0002-two.md",)
FORGED = {
    "an unknown subject": ("scriptorium: tidy up", {"spec.md": b"x\n"}, (), "unknown-subject"),
    "a subject that goes on": ("scriptorium: update spec for fun", {"spec.md": b"x\n"}, (), "wrong-subject"),
    "another file too": (render(Kind.UPDATE_SPEC), {"spec.md": b"x\n", "areas/core.md": b"x"}, (), "foreign-change"),
    "nothing at all": (render(Kind.UPDATE_SPEC), {}, (), "empty"),
    "a second beginning": (render(Kind.INITIALIZE), {"spec.md": b"x\n"}, (), "first-commit"),
    "a move without trailers": (render(Kind.ASSIGN, "0002-two"), ASSIGN_TWO, TWO_OPEN, "no-move"),
    "another From": (
        render(Kind.ASSIGN, "0002-two", Ticket="0002", From="stuck", To="in-progress"), ASSIGN_TWO, TWO_OPEN, "wrong-trailer",
    ),
    "another name": (
        render(Kind.ASSIGN, "0002-other", Ticket="0002", From="open", To="in-progress"), ASSIGN_TWO, TWO_OPEN, "wrong-subject",
    ),
    "an illegal move": (
        render(Kind.COMPLETE, "0002", Ticket="0002", From="open", To="done", Landed=OID_A),
        {"tickets/done/0002-two.md": TEXT}, TWO_OPEN, "illegal-move",
    ),
    "no landed commit": (
        render(Kind.COMPLETE, "0001", Ticket="0001", From="in-progress", To="done"), {DONE: TEXT}, (IN_PROGRESS,), "wrong-trailer",
    ),
    "two moves in one": (
        render(Kind.COMPLETE, "0001", Ticket="0001", From="in-progress", To="done", Landed=OID_A),
        {DONE: TEXT} | ASSIGN_TWO, (IN_PROGRESS, *TWO_OPEN), "foreign-change",
    ),
    "a move in a record": (
        render(Kind.RECORD_RUN, "0001-one", Ticket="0001", Attempt="1"), {DONE: TEXT}, (IN_PROGRESS,), "illegal-move",
    ),
    "a lost ticket": (render(Kind.RECORD_RUN, "0001-one", Ticket="0001", Attempt="1"), {}, (IN_PROGRESS,), "ticket-lost"),
    "an id below": (
        render(Kind.CREATE_TICKETS, Area="core", Ticket="0000"), {"tickets/open/0000-x.md": TEXT}, (), "id-not-rising",
    ),
    "an id unsaid": (
        render(Kind.CREATE_TICKETS, Area="core"), {"tickets/open/0009-x.md": TEXT}, (), "wrong-trailer",
    ),
    "a queue number again": (
        render(Kind.ENQUEUE, "0001", Ticket="0001", Queue="0002"),
        {"queue/merge/pending/0002-0001.md": QueueEntry(2, ONE, "b", Oid("c" * 40), "").render().encode()}, (), "queue-number",
    ),
    "another's marker": (
        render(Kind.PARK_AREA, "core", Area="core"), {"tickets/.areas/docs": f"{OID_A} failed\n".encode()}, (), "foreign-change",
    ),
}  # fmt: skip


@pytest.mark.req("V1-33", "V1-14")
@pytest.mark.parametrize("name", FORGED)
def test_a_commit_in_our_name_is_held_to_what_it_says(lived: Plan, name: str) -> None:
    message, writes, removes, rule = FORGED[name]
    assert errors(lived) == set()
    commit = lived.by_hand(writes, removes, message=message, author=OURS)
    assert rule in {finding.rule for finding in findings(lived) if finding.commit == commit}


@pytest.mark.req("V1-14")
def test_our_subject_under_another_name_is_named(lived: Plan) -> None:
    lived.by_hand({"spec.md": b"x\n"}, message=render(Kind.UPDATE_SPEC))
    assert errors(lived) == {"wrong-author"}


@pytest.mark.req("V1-33")
def test_an_id_that_comes_back_is_named(lived: Plan) -> None:
    lived.by_hand(removes=("tickets/open/0002-two.md",))
    assert errors(lived) == set()
    lived.by_hand({"tickets/open/0002-again.md": TEXT})
    assert errors(lived) == {"id-reused"}


def test_a_merge_is_named(lived: Plan) -> None:
    repo = pygit2.Repository(str(lived.git_dir))
    tip = repo.references[PLAN_REF].target
    who = pygit2.Signature("A Person", "person@example.org", 0, 0)
    other = repo.create_commit(None, who, who, "elsewhere", repo[tip].peel(pygit2.Tree).id, [])
    tree = repo[tip].peel(pygit2.Tree).id
    repo.create_commit(PLAN_REF, who, who, "merged", tree, [tip, other])
    assert errors(lived) == {"not-linear"}


@pytest.mark.req("V1-32")
def test_the_tree_is_looked_over_too(lived: Plan) -> None:
    entry = QueueEntry(9, TWO, "b", OID_A, "")
    lived.by_hand(
        {"tickets/done/0042-bad.md": b"\xff", "tickets/open/x.md": b"", entry.path: entry.render().encode()},
        ("tickets/done/.gitkeep",),
    )
    found = {(finding.rule, finding.path) for finding in findings(lived) if finding.commit is None}
    assert found == {
        ("unreadable", "tickets/done/0042-bad.md"),
        ("unreadable", "tickets/open/x.md"),
        ("queue-entry", entry.path),
        ("folder-kept", "tickets/done"),
    }


def test_no_plan_branch_is_no_finding(tmp_path: Path) -> None:
    git_dir = Path(pygit2.init_repository(str(tmp_path)).path)
    with pytest.raises(PlanMissing):
        audit_history(git_dir)


def test_messages_parse_back() -> None:
    for kind in Kind:
        message = Message(kind, "0001", ((Trailer.TICKET, "0001"), (Trailer.QUEUE, "0002")))
        assert parse_message(message.render()) == message
        assert parse_message(Message(kind).render()) == Message(kind)
    assert parse_message("update spec") is None
    assert parse_message("scriptorium: updated spec\n") is None
    assert parse_message("scriptorium: assign ticket 0001\n\nFoo: bar\nTicket 1\n") == Message(
        Kind.ASSIGN, "0001"
    )
