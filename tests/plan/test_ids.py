"""Names that come from outside are safe, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.plan.ids import (
    MAX_TICKET_NUMBER,
    InvalidName,
    parse_area_name,
    parse_oid,
    parse_slug,
    parse_ticket_id,
    ticket_id,
    ticket_number,
)

HOSTILE = (
    "",
    "..",
    ".",
    "-rf",
    "--help",
    ".git",
    "a\n",
    "a/b",
    "a b",
    "A",
    "a" * 300,
    "a\0",
    "é",
    "a.md",
    "..\\x",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_is_refused_and_shown_on_one_short_line(text: str) -> None:
    for parse in (parse_slug, parse_area_name, parse_ticket_id, parse_oid):
        with pytest.raises(InvalidName) as refused:
            parse(text)
        message = str(refused.value)
        assert message.isprintable()
        assert len(message) < 250


@pytest.mark.parametrize("text", ["1", "001", "00001", "0001\n", "+001", "1e10", "٠٠٠١", "9" * 10, "0001 "])  # noqa: RUF001
def test_what_is_not_a_ticket_id(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_ticket_id(text)


@given(st.integers(0, MAX_TICKET_NUMBER))
def test_a_ticket_number_has_one_id(number: int) -> None:
    assert ticket_number(parse_ticket_id(ticket_id(number))) == number


@pytest.mark.parametrize("number", [-1, MAX_TICKET_NUMBER + 1])
def test_a_number_out_of_range_has_none(number: int) -> None:
    with pytest.raises(InvalidName):
        ticket_id(number)


def test_a_slug_of_digits_would_read_as_an_id() -> None:
    with pytest.raises(InvalidName, match="ticket id"):
        parse_slug("2024")
    assert parse_slug("2024-report") == "2024-report"


@given(st.text(max_size=80))
def test_whatever_is_accepted_is_a_safe_file_name(text: str) -> None:
    for parse in (parse_slug, parse_area_name, parse_ticket_id, parse_oid):
        try:
            name = parse(text)
        except InvalidName:
            continue
        assert name == text
        assert name.isascii()
        assert not name.startswith("-")
        assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")
