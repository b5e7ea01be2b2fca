"""The audit passes what the transitions made, and names what anybody else did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pygit2
import pytest
from attrs import field, frozen

from scriptorium.plan.audit import Finding, Severity, audit_history
from scriptorium.plan.ids import AreaName, Oid, TicketId
from scriptorium.plan.message import Kind, Message, Trailer, parse_message
from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.reading import PlanMissing
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.transitions import ParkArea, ParkSpec, ParkTicket, RecordRun, ReopenTicket, UpdateSpec

from .plans import CORE, DOCS, OID_A, OID_B, REOPENED, Plan, draft_text, run_note, ticket_text

ONE, TWO = TicketId("0001"), TicketId("0002")
OPEN = "tickets/open/0001-one.md"
IN_PROGRESS = "tickets/in-progress/0001-one.md"
DONE = "tickets/done/0001-one.md"
TWO_OPEN, TWO_BEGUN = "tickets/open/0002-two.md", "tickets/in-progress/0002-two.md"
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
    plan.areas(CORE, DOCS)
    plan.assign(ONE)
    return plan


@pytest.mark.req("V1-33", "V1-14")
def test_what_the_transitions_make_is_found_in_order(lived: Plan) -> None:
    lived.enqueue(ONE)
    lived.land(ONE)
    lived.assign(TWO)
    lived.by_hand({"areas/more.md": b"More.\n"})
    more = AreaName("more")
    lived.repository.commit(ParkArea(more, lived.snapshot.areas[more].oid))
    (note,) = findings(lived)
    assert (note.severity, note.rule, note.path) == (Severity.NOTE, "hand-edit", "areas/more.md")


@pytest.mark.req("V1-33")
@pytest.mark.parametrize(
    ("writes", "removes", "rule", "path"),
    [
        ({DONE: TEXT}, (IN_PROGRESS,), "hand-made-move", DONE),
        ({OPEN: TEXT}, (IN_PROGRESS,), "hand-made-move", OPEN),
        ({TWO_BEGUN: TEXT}, (TWO_OPEN,), "hand-made-move", TWO_BEGUN),
        ({DONE: TEXT}, (), "several-places", DONE),
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
    found = [finding for finding in findings(lived) if finding.commit is not None]
    assert {(finding.severity, finding.rule) for finding in found} == {(Severity.NOTE, "hand-edit")}
    assert len(found) == 6
    assert errors(lived) == set()


def render(kind: Kind, name: str = "", **trailers: str) -> str:
    return Message(kind, name, tuple((Trailer(key), value) for key, value in trailers.items())).render()


TWO_ASSIGNED = {TWO_BEGUN: TEXT}
ASSIGNED = {"Ticket": "0002", "From": "open", "To": "in-progress"}
COMPLETED = {"Ticket": "0001", "From": "in-progress", "To": "done"}
RECORDED = render(Kind.RECORD_RUN, "0001-one", Ticket="0001", Attempt="1")
ENQUEUED = render(Kind.ENQUEUE, "0001", Ticket="0001", Queue="0002")
ENTRY = QueueEntry(2, ONE, "b", Oid("c" * 40), "")
NEW = {"tickets/open/0009-x.md": TEXT}
DOCS_FAILED = {"tickets/.areas/docs": f"{OID_A} failed\n".encode()}


@frozen
class Forged:
    """A commit in scriptorium's name: its message, what it changes, the rule that it breaks."""

    rule: str
    message: str
    writes: Mapping[str, bytes] = field(factory=dict)
    removes: tuple[str, ...] = ()


SPEC = {"spec.md": b"x\n"}
FORGED = {
    "an unknown subject": Forged("unknown-subject", "scriptorium: tidy up", SPEC),
    "a subject that goes on": Forged("wrong-subject", "scriptorium: update spec for fun", SPEC),
    "another file too": Forged("foreign-change", render(Kind.UPDATE_SPEC), SPEC | {"areas/core.md": b"x"}),
    "nothing at all": Forged("empty", render(Kind.UPDATE_SPEC)),
    "a second beginning": Forged("first-commit", render(Kind.INITIALIZE), SPEC),
    "no trailers": Forged("no-move", render(Kind.ASSIGN, "0002-two"), TWO_ASSIGNED, (TWO_OPEN,)),
    "another From": Forged(
        "wrong-trailer",
        render(Kind.ASSIGN, "0002-two", **(ASSIGNED | {"From": "stuck"})),
        TWO_ASSIGNED,
        (TWO_OPEN,),
    ),
    "another name": Forged(
        "wrong-subject", render(Kind.ASSIGN, "0002-other", **ASSIGNED), TWO_ASSIGNED, (TWO_OPEN,)
    ),
    "an illegal move": Forged(
        "illegal-move",
        render(Kind.COMPLETE, "0002", Ticket="0002", From="open", To="done", Landed=OID_A),
        {"tickets/done/0002-two.md": TEXT},
        (TWO_OPEN,),
    ),
    "no landed commit": Forged(
        "wrong-trailer", render(Kind.COMPLETE, "0001", **COMPLETED), {DONE: TEXT}, (IN_PROGRESS,)
    ),
    "two moves in one": Forged(
        "foreign-change",
        render(Kind.COMPLETE, "0001", **COMPLETED, Landed=OID_A),
        {DONE: TEXT} | TWO_ASSIGNED,
        (IN_PROGRESS, TWO_OPEN),
    ),
    "a move in a record": Forged("illegal-move", RECORDED, {DONE: TEXT}, (IN_PROGRESS,)),
    "a lost ticket": Forged("ticket-lost", RECORDED, {}, (IN_PROGRESS,)),
    "an id below": Forged(
        "id-not-rising",
        render(Kind.CREATE_TICKETS, Area="core", Ticket="0000"),
        {"tickets/open/0000-x.md": TEXT},
    ),
    "an id unsaid": Forged("wrong-trailer", render(Kind.CREATE_TICKETS, Area="core"), NEW),
    "a recovery ticket by another name": Forged(
        "foreign-change", render(Kind.CREATE_RECOVERY, "0009", Ticket="0009"), NEW
    ),
    "a recovery ticket of another number": Forged(
        "wrong-subject",
        render(Kind.CREATE_RECOVERY, "0004", Ticket="0003"),
        {"tickets/open/0003-recover-base-aaaaaaaaaaaa.md": TEXT},
    ),
    "a queue number again": Forged("queue-number", ENQUEUED, {ENTRY.path: ENTRY.render().encode()}),
    "another's marker": Forged("foreign-change", render(Kind.PARK_AREA, "core", Area="core"), DOCS_FAILED),
}


@pytest.mark.req("V1-33", "V1-14")
@pytest.mark.parametrize("name", FORGED)
def test_a_commit_in_our_name_is_held_to_what_it_says(lived: Plan, name: str) -> None:
    forged = FORGED[name]
    assert errors(lived) == set()
    commit = lived.by_hand(forged.writes, forged.removes, message=forged.message, author=OURS)
    assert forged.rule in {finding.rule for finding in findings(lived) if finding.commit == commit}


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
        ("bad-name", "tickets/open/x.md"),
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
