"""Notes and queue entries parse back equal, whatever agents, checks and file names put into them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.plan._records import parse_record
from scriptorium.plan._text import CUT, clean_line, clean_text
from scriptorium.plan.area import Marker
from scriptorium.plan.ids import InvalidName, Oid, TicketId, parse_ticket_id, ticket_id
from scriptorium.plan.notes import (
    CONFLICTS_LIMIT,
    DETAIL_LIMIT,
    OUTPUT_TAIL_LIMIT,
    ReopenNote,
    ReopenReason,
    RunNote,
    TimeoutKind,
)
from scriptorium.plan.queue_entry import SUMMARY_LIMIT, QueueEntry, parse_active, render_active

from .plans import OID_A, run_note

LINES = [
    "# Title",
    "## Run 9",
    "**Area:** x",
    "```",
    "> q",
    ">",
    "- Log: y",
    "Detail:",
    "Files:",
    "",
    " ",
    "\n",
]
HOSTILE = st.lists(st.sampled_from(LINES) | st.text(max_size=20), max_size=8).map("\n".join)
NAMES = st.lists(
    st.text(max_size=30) | st.text(st.characters(categories=["Cs", "Cc", "Ll"])), max_size=5
).map(tuple)
COUNTS = st.none() | st.integers(0, 10**12)
EXITS = st.none() | st.integers(-(2**31), 2**31)
TICKET_IDS = st.integers(0, 10**6).map(ticket_id)
OIDS = st.binary(min_size=20, max_size=20).map(lambda raw: Oid(raw.hex()))

RUNS = st.builds(
    RunNote,
    number=st.integers(1, 10**6),
    outcome=HOSTILE,
    harness=HOSTILE,
    model=st.none() | HOSTILE,
    exit_code=EXITS,
    signal=EXITS,
    attempt=st.integers(0, 10**6),
    counted=st.booleans(),
    timeout=st.sampled_from(TimeoutKind),
    started=HOSTILE,
    duration_seconds=st.floats(0, 1e9, allow_nan=False),
    tokens_in=COUNTS,
    tokens_out=COUNTS,
    cost_usd=st.none() | st.floats(0, 1e9, allow_nan=False),
    log=HOSTILE,
    detail=HOSTILE,
    unsubmitted=NAMES,
    findings=HOSTILE,
)
REOPENS = st.builds(
    ReopenNote,
    number=st.integers(1, 10**6),
    parked=st.booleans(),
    reason=st.sampled_from(ReopenReason),
    detail=HOSTILE,
    files=NAMES,
    tickets=st.lists(TICKET_IDS, max_size=3).map(tuple),
    conflicts=HOSTILE,
    command=st.none() | HOSTILE,
    exit_code=EXITS,
    log=st.none() | HOSTILE,
    output_tail=HOSTILE,
)
ENTRIES = st.builds(
    QueueEntry, number=st.integers(1, 10**6), ticket=TICKET_IDS, branch=HOSTILE, commit=OIDS, summary=HOSTILE
)


def body(section: str) -> list[str]:
    heading, _, rest = section.partition("\n")
    assert heading.startswith("## ")
    assert section.endswith("\n")
    section.encode()
    return rest.split("\n")


@pytest.mark.slow
@pytest.mark.req("CA-10")
@given(RUNS)
def test_a_run_note_parses_back_equal(note: RunNote) -> None:
    assert RunNote.parse(note.number, parse_record(body(note.render()))) == note


@pytest.mark.slow
@given(REOPENS)
def test_a_reopen_note_parses_back_equal(note: ReopenNote) -> None:
    assert ReopenNote.parse(note.number, parse_record(body(note.render())), parked=note.parked) == note


@pytest.mark.slow
@given(ENTRIES)
def test_a_queue_entry_parses_back_equal(entry: QueueEntry) -> None:
    text = entry.render()
    assert QueueEntry.parse(entry.name, text) == entry
    assert QueueEntry.parse(entry.name, text.replace("\n", "\r\n")) == entry
    assert parse_active(render_active(entry)) == (entry.number, entry.ticket)


@given(OIDS, st.booleans())
def test_a_marker_parses_back_equal(oid: Oid, failed: bool) -> None:
    marker = Marker(oid, failed)
    assert Marker.parse(marker.render()) == marker
    assert Marker.parse(f"{oid}\n") == Marker(oid)


@pytest.mark.parametrize("text", ["", "ok", f"{OID_A} maybe", f"{OID_A} ok ok", "A" * 40, "a" * 39])
def test_what_is_no_marker(text: str) -> None:
    with pytest.raises(InvalidName):
        Marker.parse(text)


@given(st.text(), st.integers(20, 60), st.sampled_from(["head", "tail"]))
def test_cleaning_is_bounded_idempotent_and_leaves_nothing_unprintable(
    text: str, limit: int, keep: str
) -> None:
    cleaned = clean_text(text, limit, keep=keep)
    assert len(cleaned) <= limit
    assert clean_text(cleaned, limit, keep=keep) == cleaned
    assert not [c for c in cleaned if ord(c) < 32 and c not in "\n\t"]
    line = clean_line(text, limit)
    assert len(line) <= limit
    assert clean_line(line, limit) == line
    assert "\n" not in line


def test_terminal_codes_are_taken_out() -> None:
    assert (
        clean_text("\x1b[1;31mred\x1b[0m\x1b]0;title\x07 10%\r20%\r\n\u202etxt", 100) == "red 10%\n20%\ntxt"
    )


def test_a_note_is_bounded_whatever_it_is_given() -> None:
    note = ReopenNote(
        reason=ReopenReason.CHECKS_FAILED,
        detail="d" * 10**6,
        files=tuple(f"f{n}" * 1000 for n in range(1000)),
        command="c" * 10**6,
        conflicts="c" * 10**6,
        output_tail=f"start{'o' * 10**6}the end",
    )
    assert len(note.detail) == DETAIL_LIMIT
    assert note.detail.endswith(CUT)
    assert len(note.output_tail) == OUTPUT_TAIL_LIMIT
    assert note.output_tail.endswith("the end")
    assert note.files[-1] == "and 901 more"
    assert len(note.conflicts) == CONFLICTS_LIMIT
    assert len(note.render()) < 76_000
    entry = QueueEntry(1, TicketId("0001"), "b", OID_A, "s" * 10**6)
    assert len(entry.summary) == SUMMARY_LIMIT


@pytest.mark.parametrize(
    "bad",
    [{"duration_seconds": float("nan")}, {"tokens_in": -1}, {"cost_usd": float("inf")}, {"timeout": "never"}],
)
def test_a_note_that_cannot_be_is_refused(bad: dict[str, object]) -> None:
    values: dict[str, object] = {
        "outcome": "x", "harness": "x", "attempt": 1, "counted": True, "started": "", "duration_seconds": 1.0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"must be|not a valid"):
        RunNote(**(values | bad))  # type: ignore[arg-type]


def test_what_a_person_writes_into_a_note_does_no_harm() -> None:
    note = run_note(detail="a\nb")
    lines = [
        *body(note.render()),
        "",
        "I looked at this. - Anna",
        "- really",
        "- Outcome: nonsense",
        "Detail:",
        "> no",
    ]
    assert RunNote.parse(0, parse_record(lines)) == note


@pytest.mark.parametrize("stem", ["x-0001", "0001", "-0001", "0001-..", "0001-0002\n"])
def test_a_queue_entry_with_a_bad_name_is_refused(stem: str) -> None:
    entry = QueueEntry(1, parse_ticket_id("0002"), "b", OID_A, "")
    with pytest.raises(ValueError, match="not a ticket id"):
        QueueEntry.parse(stem, entry.render())
    with pytest.raises(ValueError, match="the name says ticket 0003"):
        QueueEntry.parse("0001-0003", entry.render())
