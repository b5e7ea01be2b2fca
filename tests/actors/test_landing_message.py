"""The message of a landed commit."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.actors.landing_message import landing_message
from scriptorium.plan.ids import TicketId

from .plans import IN_PROGRESS, OID, PlanFiles, entry, ticket

FILE = PlanFiles().with_(ticket(1, IN_PROGRESS)).snapshot.tickets[TicketId("0001")]


@pytest.mark.req("V1-21")
def test_it_has_the_title_the_whole_summary_and_the_trailers() -> None:
    message = landing_message(FILE, evolve(entry(1, 1), summary="Add it.\n\nBecause it was missing.\n"))
    assert message == (
        f"Title 1 (0001)\n\n    Add it.\n\n    Because it was missing.\n\nTicket: 0001\nSubmitted: {OID}\n"
    )


def test_without_a_summary_there_is_no_gap() -> None:
    assert landing_message(FILE, evolve(entry(1, 1), summary=" \n")) == (
        f"Title 1 (0001)\n\nTicket: 0001\nSubmitted: {OID}\n"
    )


@given(st.text(max_size=200))
def test_no_summary_can_forge_a_subject_or_a_trailer(summary: str) -> None:
    message = landing_message(FILE, evolve(entry(1, 1), summary=summary))
    first, *between, ticket_line, submitted = message.rstrip("\n").split("\n")
    assert (first, ticket_line, submitted) == ("Title 1 (0001)", "Ticket: 0001", f"Submitted: {OID}")
    assert all(line == "" or line.startswith("    ") for line in between)
    assert all(character.isprintable() or character == "\n" for character in message)


def test_a_long_title_is_cut_and_a_long_summary_too() -> None:
    path, text = ticket(1, IN_PROGRESS)
    plan = PlanFiles().add(path, text.decode().replace("Title 1", "word " * 60))
    message = landing_message(
        plan.snapshot.tickets[TicketId("0001")], evolve(entry(1, 1), summary="line\n" * 10_000)
    )
    assert len(message.splitlines()[0]) == 72
    assert len(message) < 20_000
