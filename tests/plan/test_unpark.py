"""Unparking: what was given up is tried again, from the beginning. On files in memory, without git."""

from __future__ import annotations

import pytest

from scriptorium.plan.edits import Edits
from scriptorium.plan.layout import TicketState
from scriptorium.plan.notes import UnparkNote
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.ticket import Ticket
from scriptorium.plan.transitions import (
    ParkTicket,
    PreconditionFailed,
    ReopenTicket,
    Transition,
    UnparkArea,
    UnparkSpec,
    UnparkTicket,
)

from .plans import CORE, DOCS, OID_A, REOPENED, run_note, ticket_text
from .test_transitions import BRANCH, ENTRY, ONE, PARKED, STARTED, one, plan, refused, said

STUCK, OPEN = "tickets/stuck/0001-do.md", "tickets/open/0001-do.md"


def worn_out() -> Ticket:
    """A ticket that was reopened and tried often, and is parked."""
    ticket = Ticket.parse(ticket_text(fields=STARTED))
    for attempt in (1, 2):
        ticket = ticket.with_run(run_note(attempt)).with_reopen(REOPENED)
    (text,) = (
        ParkTicket(ONE, PARKED).apply(plan({"tickets/in-progress/0001-do.md": ticket.text})).writes.values()
    )
    return Ticket.parse(text)


def unparked(snapshot: Snapshot) -> Ticket:
    return Ticket.parse(UnparkTicket(ONE).apply(snapshot).writes[OPEN])


def test_unpark_puts_a_stuck_ticket_back_to_the_open_ones() -> None:
    edits = UnparkTicket(ONE).apply(plan({STUCK: worn_out().text}))
    assert (set(edits.writes), set(edits.removes)) == ({OPEN}, {STUCK})
    assert said(edits) == "scriptorium: unpark ticket 0001\n\nTicket: 0001\nFrom: stuck\nTo: open\n"


def test_an_unparked_ticket_keeps_its_branch_and_its_notes() -> None:
    before, after = worn_out(), unparked(plan({STUCK: worn_out().text}))
    assert after.branch == BRANCH
    assert after.log == (*before.log, UnparkNote(number=1))
    assert after.text == f"{before.text}\n{UnparkNote(number=1).render()}"


def test_the_tries_of_an_unparked_ticket_begin_anew() -> None:
    ticket = unparked(plan({STUCK: worn_out().text}))
    assert (ticket.reopen_count, ticket.counted_attempts) == (0, 0)
    again = ticket.with_run(run_note(3)).with_reopen(REOPENED).with_run(run_note(4))
    assert (again.reopen_count, again.counted_attempts) == (1, 1)


def test_they_begin_anew_whoever_had_put_the_ticket_there() -> None:
    """A person who moves a ticket into the folder by hand writes no note about it."""
    by_hand = Ticket.parse(ticket_text()).with_run(run_note()).with_reopen(REOPENED).with_reopen(REOPENED)
    assert by_hand.reopen_count == 2
    assert unparked(plan({STUCK: by_hand.text})).reopen_count == 0


def test_each_unparking_is_numbered() -> None:
    first = unparked(plan({STUCK: worn_out().text}))
    parked = ParkTicket(ONE, PARKED).apply(plan({OPEN: first.text})).writes[STUCK]
    second = unparked(plan({STUCK: parked}))
    assert [note.number for note in second.log if isinstance(note, UnparkNote)] == [1, 2]
    assert [note.heading for note in second.reopens if note.parked] == ["Parked 1", "Parked 2"]


def test_what_the_queue_holds_of_a_stuck_ticket_goes_with_the_state_that_it_leaves() -> None:
    snapshot = plan({STUCK: ticket_text(), ENTRY.path: ENTRY.render()})
    assert UnparkTicket(ONE).apply(snapshot).removes == {STUCK, ENTRY.path}


@pytest.mark.parametrize("state", [state for state in TicketState if state is not TicketState.STUCK])
def test_only_a_stuck_ticket_is_unparked(state: TicketState) -> None:
    assert refused(UnparkTicket(ONE), one(state)) == f"ticket 0001 is {state}, not stuck"


def given_up_spec(word: str = "failed") -> Snapshot:
    spec = plan().spec
    assert spec is not None
    return plan({"areas/.spec": f"{spec.oid} {word}\n", "areas/core.md": "Core.\n"})


def test_unpark_spec_forgets_that_it_was_given_up() -> None:
    edits = UnparkSpec().apply(given_up_spec())
    assert edits.paths == edits.removes == {"areas/.spec"}
    assert said(edits) == "scriptorium: unpark spec\n"


def test_unpark_spec_is_for_a_text_that_was_given_up() -> None:
    for snapshot in (plan(), given_up_spec("ok"), plan({"areas/.spec": f"{OID_A} failed\n"})):
        assert "not given up" in refused(UnparkSpec(), snapshot)


def given_up_area(word: str = "failed") -> Snapshot:
    oid = plan({"areas/core.md": "Core.\n"}).areas[CORE].oid
    return plan({"areas/core.md": "Core.\n", "tickets/.areas/core": f"{oid} {word}\n"})


def test_unpark_area_forgets_that_it_was_given_up() -> None:
    edits = UnparkArea(CORE).apply(given_up_area())
    assert edits.paths == edits.removes == {"tickets/.areas/core"}
    assert said(edits) == "scriptorium: unpark area core\n\nArea: core\n"


def test_unpark_area_is_for_a_text_that_was_given_up() -> None:
    fresh = plan({"areas/core.md": "Core.\n", "tickets/.areas/core": f"{OID_A} failed\n"})
    for snapshot in (plan({"areas/core.md": "Core.\n"}), given_up_area("ok"), fresh):
        assert "not given up" in refused(UnparkArea(CORE), snapshot)
    assert refused(UnparkArea(DOCS), given_up_area()) == "there is no area docs"


@pytest.mark.parametrize(
    ("transition", "path"),
    [(UnparkSpec(), "areas/.spec"), (UnparkArea(CORE), "tickets/.areas/core")],
)
def test_a_marker_that_cannot_be_read_is_cleared_too(transition: Transition, path: str) -> None:
    """Nothing is planned from a text whose marker is damaged, so there must be a way on."""
    snapshot = plan({"areas/core.md": "Core.\n", path: "a merge conflict\n"})
    assert transition.apply(snapshot).removes == {path}


def files_after(edits: Edits, before: dict[str, str]) -> dict[str, str]:
    return {path: text for path, text in {**before, **edits.writes}.items() if path not in edits.removes}


UNPARKS: dict[str, tuple[Transition, dict[str, str]]] = {
    "ticket": (UnparkTicket(ONE), {STUCK: ticket_text()}),
    "spec": (UnparkSpec(), {"areas/.spec": "?"}),
    "area": (UnparkArea(CORE), {"areas/core.md": "Core.\n", "tickets/.areas/core": "?"}),
}


@pytest.mark.parametrize("what", UNPARKS)
def test_unparking_twice_is_refused(what: str) -> None:
    transition, files = UNPARKS[what]
    files = files_after(transition.apply(plan(files)), files)
    with pytest.raises(PreconditionFailed):
        transition.apply(plan(files))


def test_an_unparked_ticket_can_be_reopened_as_often_as_a_new_one() -> None:
    text = unparked(plan({STUCK: worn_out().text})).text
    for reopened in (1, 2, 3):
        snapshot = plan({"tickets/in-progress/0001-do.md": text})
        text = ReopenTicket(ONE, REOPENED).apply(snapshot).writes[OPEN]
        assert Ticket.parse(text).reopen_count == reopened
