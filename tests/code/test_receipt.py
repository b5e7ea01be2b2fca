"""The receipt in a landed commit: what is written is what is read, and nobody else's is believed."""

from __future__ import annotations

import pygit2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.code.receipt import Receipt, receipt_of
from scriptorium.code.repository import signature
from scriptorium.plan.ids import AreaName, Oid, TicketId

from .conftest import PERSON, Fixture

OID = Oid("a" * 40)
FULL = Receipt(
    ticket=TicketId("0004"), area=AreaName("core"), attempts=2, tokens=12345, evidence="0" * 12, submitted=OID
)

receipts = st.builds(
    Receipt,
    ticket=st.integers(1, 99999).map(lambda number: TicketId(f"{number:04d}")),
    area=st.none() | st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True).map(AreaName),
    attempts=st.integers(0, 10**6),
    tokens=st.integers(0, 10**12),
    evidence=st.none() | st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    submitted=st.none() | st.just(OID),
)


@given(receipts, st.text(max_size=40))
def test_what_was_written_is_read_back(receipt: Receipt, before: str) -> None:
    assert Receipt.parse(f"{before}\n\n{receipt.render()}") == receipt


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: f"Ticket: 0001\nTokens: {data!r}"))
def test_any_message_has_an_answer(message: str) -> None:
    found = Receipt.parse(message)
    assert found is None or Receipt.parse(found.render()) == found


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("Subject", None),
        ("Ticket: 0001\n\nNot the last paragraph.", None),
        ("S\n\nTicket: ../../etc\n", None),
        ("S\n\nTicket: 0001\nEvidence: nothing\nTokens: -1\nArea: A B\n", Receipt(ticket=TicketId("0001"))),
    ],
)
def test_what_is_not_as_it_is_written_is_left_out(message: str, found: Receipt | None) -> None:
    assert Receipt.parse(message) == found


def test_only_a_merge_by_scriptorium_has_a_receipt(fixture: Fixture) -> None:
    repo = fixture.open()
    tip, other = fixture.tip(), fixture.commit({"a": "b"})
    message = f"Title (0004)\n\n{FULL.render()}"

    def commit(who: pygit2.Signature, *parents: str) -> pygit2.Commit:
        oid = repo.create_commit(None, who, who, message, fixture_tree, [pygit2.Oid(hex=p) for p in parents])
        return repo[oid].peel(pygit2.Commit)

    fixture_tree = repo[tip].peel(pygit2.Tree).id
    assert receipt_of(commit(signature(), tip, other)) == FULL
    assert receipt_of(commit(PERSON, tip, other)) is None
    assert receipt_of(commit(signature(), tip)) is None
