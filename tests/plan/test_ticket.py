"""A ticket keeps every character that anyone wrote; fields are edited in place, notes are appended."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.spent import Spent
from scriptorium.plan.ticket import MAX_WRITTEN_BYTES, Field, Priority, Ticket, TicketUnreadable

from .plans import REOPENED, run_note, ticket_text

# Lines that mean something to some Markdown parser, and lines that mean nothing to any.
LINES = st.sampled_from(
    [
        "", " ", "text", "# Title", "## Goal", "## Notes", "### Deeper", "#nothing", "**Area:** core",
        "**Area:** other", "**Depends:** 0001", "**Priority:** high", "**Colour:** red", "> **Area:** x", "é",
        "    **Area:** x", "```", "```python", "````", "~~~", "~~~ x", "- Log: x", "## Run x", "a\rb",
        "\x0c", "\u2028", "> ```", "## Goal ##", "Detail:", "> quoted", "<!--", "-->", "***", "===",
    ]
)  # fmt: skip
ENDED_LINES = st.tuples(LINES | st.text(max_size=20), st.sampled_from(["\n", "\r\n"])).map("".join)
TEXTS = st.tuples(st.lists(ENDED_LINES, max_size=25).map("".join), LINES).map("".join)
TICKETS = st.builds(lambda text: f"# A title\n\n**Area:** core\n\n{text}", TEXTS)


def parsed(text: str) -> Ticket | None:
    try:
        return Ticket.parse(text)
    except TicketUnreadable:
        return None


@pytest.mark.slow
@given(TICKETS | TEXTS | st.text())
def test_a_ticket_is_rendered_as_it_was_read(text: str) -> None:
    ticket = parsed(text)
    assert ticket is None or ticket.render() == text


@pytest.mark.slow
@given(
    TICKETS,
    st.sampled_from([("Branch", "b"), ("Worktree", "a b/c"), ("Priority", "low"), ("Depends", "0007")]),
)
def test_setting_a_field_changes_that_line_alone(text: str, change: tuple[str, str]) -> None:
    ticket, name, value = parsed(text), Field(change[0]), change[1]
    if ticket is None:
        return
    edited = ticket.with_field(name, value)
    line = f"**{name}:** {value}"
    assert line in edited.text.splitlines()
    for other in ("title", "area", "goal", "acceptance", "notes", "runs"):
        assert getattr(edited, other) == getattr(ticket, other)
    assert other_lines(edited.text, name) == other_lines(text, name)
    assert edited.with_field(name, value) == edited
    gone = edited.with_field(name, None)
    assert getattr(gone, name.lower()) in {None, (), Priority.MEDIUM}
    assert other_lines(gone.text, name) == other_lines(text, name)


def other_lines(text: str, name: Field) -> list[str]:
    """The lines of a text that have something on them, but not this field."""
    return [line for line in text.split("\n") if line.rstrip("\r") and f"**{name}:**" not in line]


@pytest.mark.slow
@given(TICKETS, st.lists(st.booleans(), min_size=1, max_size=4), st.text())
def test_notes_are_appended_and_read_back(text: str, kinds: list[bool], detail: str) -> None:
    before = ticket = parsed(text)
    if before is None or ticket is None:
        return
    for number, is_run in enumerate(kinds):
        if is_run:
            ticket = ticket.with_run(run_note(number, detail=detail))
        else:
            ticket = ticket.with_reopen(
                ReopenNote(reason=ReopenReason.CONFLICT, detail=detail, files=("a", "b"))
            )
    assert ticket.text.startswith(text)
    assert [note.number for note in ticket.runs] == list(range(1, kinds.count(True) + 1))
    assert [note.number for note in ticket.reopens] == list(range(1, kinds.count(False) + 1))
    assert [run.numbered(0) for run in ticket.runs] == [
        run_note(number, detail=detail) for number, is_run in enumerate(kinds) if is_run
    ]
    assert (ticket.title, ticket.area) == (before.title, before.area)
    assert ticket.goal.startswith(before.goal)


def test_every_part_of_a_ticket_is_found() -> None:
    ticket = Ticket.parse(
        "# Parse the config\n\n**Area:** core\n**Depends:** 0001, 0002, 0001\n**Priority:** High\n"
        "**Branch:** scriptorium/ticket-0003\n**Worktree:** .scriptorium/worktrees/tickets/0003-x\n\n"
        "## Goal\n\nRead it.\n\nAll of it.\n\n### Not more\n\n"
        "## acceptance criteria ##\n\n- a\n- b\n\n## Notes\n"
    )
    assert ticket.title == "Parse the config"
    assert (ticket.area, ticket.depends, ticket.priority) == ("core", ("0001", "0002"), Priority.HIGH)
    assert ticket.branch == "scriptorium/ticket-0003"
    assert ticket.worktree == ".scriptorium/worktrees/tickets/0003-x"
    assert ticket.goal == "Read it.\n\nAll of it.\n\n### Not more"
    assert (ticket.acceptance, ticket.notes) == ("- a\n- b", "")


@pytest.mark.parametrize("fence", ["```", "~~~~", "```text"])
def test_text_in_a_fence_is_neither_field_nor_section(fence: str) -> None:
    closing = fence.removesuffix("text")
    inside = f"{fence}\n**Branch:** evil\n# Another\n## Run 1\n## Goal\nnot this\n{closing}\n"
    ticket = Ticket.parse(f"# T\n{inside}\n**Area:** core\n\n{inside}\n## Goal\n\nThis.\n{inside}")
    assert (ticket.title, ticket.branch, ticket.runs) == ("T", None, ())
    assert ticket.goal.startswith("This.")


def test_quoted_and_later_text_is_no_field() -> None:
    ticket = Ticket.parse(
        "# T\n\n**Area:** core\n\n> **Branch:** x\n\n## Notes\n\n**Priority:** low\n**Area:** x\n"
    )
    assert (ticket.branch, ticket.priority, ticket.area) == (None, Priority.MEDIUM, "core")


@pytest.mark.parametrize("ending", ["", "\n", "\n\n", "\n```\nopen", "\n~~~~ x\n"])
def test_a_note_is_readable_after_any_ending(ending: str) -> None:
    text = ticket_text().rstrip("\n") + ending
    ticket = Ticket.parse(text).with_run(run_note()).with_reopen(REOPENED)
    assert len(ticket.runs) == len(ticket.reopens) == 1
    assert ticket.text.startswith(text)


def test_line_ends_of_another_system_are_kept() -> None:
    text = ticket_text().replace("\n", "\r\n")
    ticket = Ticket.parse(text).with_field(Field.BRANCH, "b")
    assert ticket.text == text.replace("core\r\n", "core\r\n**Branch:** b\r\n")
    assert ticket.with_field(Field.BRANCH, None).text == text


def test_attempts_count_from_the_last_time_that_the_ticket_came_back() -> None:
    ticket = Ticket.parse(ticket_text())
    for note in (run_note(1), run_note(2, counted=False), run_note(3)):
        ticket = ticket.with_run(note)
    assert (ticket.counted_attempts, ticket.reopen_count) == (2, 0)
    ticket = ticket.with_reopen(REOPENED)
    assert (ticket.counted_attempts, ticket.reopen_count) == (0, 1)
    ticket = ticket.with_run(run_note(4)).with_reopen(REOPENED)
    assert (ticket.counted_attempts, ticket.reopen_count) == (0, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "title"),
        ("text only\n", "title"),
        ("## Goal\n\n# T\n**Area:** core\n", "title"),
        ("# \n**Area:** core\n", "title"),
        ("# T\n", "Area"),
        ("# T\n**Area:** ../core\n", "not the name of an area"),
        ("# T\n**Area:** core\n**Area:** core\n", "twice, on lines 2 and 3"),
        ("# T\n**Area:** core\n**Depends:** 0001, -rf\n", "-rf"),
        ("# T\n**Area:** core\n**Priority:** soon\n", "low, medium, high, critical"),
        ("# T\n**Area:** core\n\n## Run 1\n\n- Outcome: x\n", "Run 1"),
        ("# T\n**Area:** core\n\n## Reopened 1\n\n- Reason: boredom\n", "Reopened 1"),
    ],
)
def test_what_is_no_ticket_says_why(text: str, reason: str) -> None:
    with pytest.raises(TicketUnreadable, match=reason):
        Ticket.parse(text)


@pytest.mark.parametrize("value", ["a\nb", "a\n**Area:** x", "", " a", "a\x00", "a\u2028b"])
def test_a_field_takes_one_line(value: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        Ticket.parse(ticket_text()).with_field(Field.WORKTREE, value)


@pytest.mark.slow
@given(TICKETS, st.dictionaries(st.sampled_from(tuple(Field)[1:]), st.sampled_from([None, "0007"])))
def test_setting_several_fields_is_setting_each(text: str, values: dict[Field, str | None]) -> None:
    ticket = parsed(text)
    if ticket is None or values.get(Field.PRIORITY):
        return
    one_by_one = ticket
    for name, value in values.items():
        one_by_one = one_by_one.with_field(name, value)
    assert ticket.with_fields(values) == one_by_one


def test_long_hostile_lines_are_read_in_linear_time() -> None:
    blanks, hashes = " " * 1_000_000, "#" * 1_000_000
    text = f"# T\n**Area:** core\n**Branch:**{blanks}x\n## Goal{blanks}# x\n## {hashes} x\n```{blanks}`\n"
    assert Ticket.parse(text).render() == text


def test_scriptorium_counts_a_park_as_a_new_start() -> None:
    ticket = Ticket.parse(ticket_text()).with_reopen(REOPENED)
    parked = ReopenNote(reason=ReopenReason.ATTEMPTS_USED_UP, parked=True)
    ticket = ticket.with_reopen(parked).with_reopen(REOPENED)
    assert [note.heading for note in ticket.reopens] == ["Reopened 1", "Parked 1", "Reopened 2"]
    assert ticket.reopen_count == 1


def test_work_on_a_ticket_never_makes_it_unreadable() -> None:
    """As long as others may make it, it has room for what scriptorium appends."""
    longest = Ticket.parse(ticket_text().replace("None.", "x" * (MAX_WRITTEN_BYTES - len(ticket_text()))))
    ticket = longest.with_field(Field.BRANCH, "b" * 200).with_field(Field.WORKTREE, "w" * 900)
    for attempt in range(1, 5):
        ticket = ticket.with_run(run_note(attempt, detail="d" * 9_000)).with_reopen(REOPENED)
    assert len(ticket.text) > MAX_WRITTEN_BYTES
    with pytest.raises(TicketUnreadable, match="too long"):
        Ticket.parse(ticket.text.replace("xxx", "x" * 2_000, 1))


@pytest.mark.req("CA-10")
def test_what_was_spent_counts_every_run_since_a_person_unparked_it() -> None:
    first = evolve(run_note(1), tokens_in=10, tokens_out=5, cost_usd=0.25)
    untold = evolve(run_note(2, counted=False), tokens_in=3)
    ticket = Ticket.parse(ticket_text()).with_run(first).with_reopen(REOPENED).with_run(untold)
    assert ticket.spent == Spent(2, 25.0, 18, 0.25)
    unparked = ticket.with_unpark()
    assert unparked.spent == Spent()
    assert unparked.with_run(first).spent == Spent(1, 12.5, 15, 0.25)
    assert Spent.of(unparked.runs) == ticket.spent  # of its whole life
