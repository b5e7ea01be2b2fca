"""No commit breaks the plan, whoever decides on it; what a person broke before stops nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import TicketId
from scriptorium.plan.invariants import InvariantBroken, check_invariants
from scriptorium.plan.layout import TicketState, parse_ticket_name
from scriptorium.plan.memory import snapshot_from_files
from scriptorium.plan.message import Kind, Message
from scriptorium.plan.queue_entry import QueueEntry, render_active

from .plans import CORE, EMPTY_PLAN, OID_A, Plan, RawEdit, draft_text, ticket_text

MESSAGE = Message(Kind.UPDATE_SPEC)
ENTRY = QueueEntry(1, TicketId("0001"), "b", OID_A, "")
ONE = "tickets/open/0001-first.md"

BREAKING = {
    "a ticket in two folders": ({"tickets/done/0001-first.md": ticket_text()}, set()),
    "a ticket under two names": ({"tickets/open/0001-other.md": ticket_text()}, set()),
    "a ticket lost": ({}, {ONE}),
    "a ticket lost under another's name": ({"tickets/done/0002-first.md": ticket_text()}, {ONE}),
    "a ticket that cannot be read": ({ONE: "no title\n"}, set()),
    "a name that is no ticket's": ({"tickets/open/first.md": ticket_text()}, set()),
    "an entry of an open ticket": ({ENTRY.path: ENTRY.render()}, set()),
    "an entry that cannot be read": ({ENTRY.path: "x\n"}, set()),
    "a landing of nothing": ({"queue/merge/active.md": render_active(ENTRY)}, set()),
    "a marker that is none": ({"tickets/.areas/core": "yes\n"}, set()),
    "a spec marker that is none": ({"areas/.spec": "yes\n"}, set()),
    "a folder forgotten": ({}, {"tickets/open/.gitkeep"}),
    "a way out of the layout": ({"areas/..": "x\n"}, set()),
    "a folder of git's": ({"areas/.git/config.md": "x\n"}, set()),
    "a file outside of the layout": ({"src/main.py": "x\n"}, set()),
    "a file in no folder of the layout": ({"tickets/lost/0009-x.md": ticket_text()}, set()),
    "no spec": ({}, {"spec.md"}),
}


@pytest.mark.req("V1-32")
@pytest.mark.parametrize("name", BREAKING)
def test_an_edit_that_would_break_the_plan_is_not_committed(plan: Plan, name: str) -> None:
    plan.with_ticket()
    before = plan.snapshot
    writes, removes = BREAKING[name]
    with pytest.raises(InvariantBroken) as broken:
        plan.repository.commit(RawEdit(MESSAGE, writes, frozenset(removes)))
    assert broken.value.violations
    assert plan.repository.read() is before
    assert plan.files()[ONE]


@pytest.mark.req("V1-32")
def test_a_ticket_does_not_leave_its_entry_in_the_queue_behind(plan: Plan) -> None:
    ticket = plan.with_ticket()
    plan.assign(ticket)
    before = plan.enqueue(ticket)
    path = before.tickets[ticket].path
    text = before.tickets[ticket].ticket.text
    with pytest.raises(InvariantBroken, match="is open, not in progress"):
        plan.repository.commit(RawEdit(MESSAGE, {ONE: text}, frozenset({path})))
    assert plan.repository.read() is before


@pytest.mark.req("V1-32")
def test_what_was_broken_before_stops_no_other_work(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(one=draft_text("One"), two=draft_text("Two"))
    entry = QueueEntry(3, TicketId("0007"), "b", OID_A, "")
    plan.by_hand(
        {
            "tickets/done/0001-one.md": ticket_text().encode(),
            "tickets/open/0007-bad.md": b"\xff",
            entry.path: entry.render().encode(),
            "queue/merge/active.md": b"?",
        },
        ("tickets/stuck/.gitkeep",),
    )
    snapshot = plan.assign(TicketId("0002"))
    assert snapshot.state_of(TicketId("0002")) is TicketState.IN_PROGRESS
    assert len(snapshot.problems) == 4
    assert plan.enqueue(TicketId("0002")).entry_of(TicketId("0002"))
    assert plan.land(TicketId("0002")).state_of(TicketId("0002")) is TicketState.DONE


STATES = st.sampled_from(TicketState)
PATHS = st.builds(
    "{}/{}-x.md".format, STATES.map(lambda s: s.folder), st.sampled_from(["0001", "0002", "0003"])
)


@pytest.mark.slow
@pytest.mark.req("V1-32")
@given(st.sets(PATHS), st.sets(PATHS), st.sets(PATHS))
def test_each_ticket_that_an_edit_touches_ends_in_exactly_one_place(
    there: set[str], writes: set[str], removes: set[str]
) -> None:
    text = ticket_text().encode()
    files = EMPTY_PLAN | dict.fromkeys(there, text)
    before = snapshot_from_files(files)
    edits = Edits(MESSAGE, dict.fromkeys(writes, ticket_text("New")), frozenset(removes - writes))
    left = {path: content for path, content in files.items() if path not in edits.removes}
    after = snapshot_from_files(left | {path: content.encode() for path, content in edits.writes.items()})
    try:
        check_invariants(before, after, edits)
    except InvariantBroken:
        return
    for path in edits.paths - (edits.removes - there):
        ticket, _ = parse_ticket_name(path.rpartition("/")[2])
        places = [name for folder in after.folders.values() for name in folder.names.get(ticket, ())]
        already = [name for folder in before.folders.values() for name in folder.names.get(ticket, ())]
        assert len(places) == 1 or places == already
