"""A ticket: Markdown that people, agents and scriptorium all write in. The exact text is kept; fields are
edited in place and notes are appended, so that nothing anyone wrote is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from scriptorium.plan._records import RecordUnreadable, parse_record
from scriptorium.plan._ticket_text import (
    ACCEPTANCE,
    GOAL,
    MAX_TICKET_BYTES,
    NOTES,
    Field,
    TicketText,
    TicketUnreadable,
)
from scriptorium.plan.ids import AreaName, InvalidName, TicketId, counted, parse_area_name, parse_ticket_id
from scriptorium.plan.spent import Spent

__all__ = ["MAX_TICKET_BYTES", "Field", "Priority", "Ticket", "TicketUnreadable", "is_own_section"]

if TYPE_CHECKING:
    from scriptorium.plan.notes import Note, ReopenNote, RunNote

MAX_WRITTEN_BYTES: Final = MAX_TICKET_BYTES // 2
"""What others wrote of a ticket, at most: the other half is for what scriptorium appends, some hundred notes,
so that a ticket which can be read is not made unreadable by being worked on."""

_OWN_SECTION = re.compile(r"(Run|Reopened|Parked|Unparked) ([1-9][0-9]{0,8})")
_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")


REMEMBERED_CHARACTERS: Final = 1 << 16
"""A longer ticket is not kept only because it was read a moment ago."""


REMEMBERED_LINES: Final = 64
"""A longer note is not kept only because its ticket was read a moment ago."""


class Priority(StrEnum):
    """How soon a ticket is taken up; `rank` grows with it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return _RANKS[self]


_RANKS: Final = {priority: rank for rank, priority in enumerate(Priority)}


@frozen
class Ticket:
    """A ticket, equal to another when their texts are. Make one with `Ticket.parse`.

    `log` holds the notes that scriptorium appended, in the order in which they stand.
    """

    text: str = field(repr=False)
    title: str = field(eq=False)
    area: AreaName = field(eq=False)
    depends: tuple[TicketId, ...] = field(eq=False)
    priority: Priority = field(eq=False)
    branch: str | None = field(eq=False)
    worktree: str | None = field(eq=False)
    log: tuple[Note, ...] = field(eq=False, repr=False)
    _parsed: TicketText = field(eq=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """Read a ticket; `Ticket.parse(text).render() == text` for every text that can be read.

        Raises:
            TicketUnreadable: no title, no area, a field that is wrong or there twice, a damaged note.
        """
        # A transition makes a ticket, and what it committed is read at once.
        return _recently_read(text) if len(text) <= REMEMBERED_CHARACTERS else cls._read(text)

    @classmethod
    def _read(cls, text: str) -> Ticket:
        parsed = TicketText.parse(text)
        if len(text) > MAX_WRITTEN_BYTES // 4 and _written_bytes(parsed) > MAX_WRITTEN_BYTES:
            raise TicketUnreadable(f"it is too long: {MAX_WRITTEN_BYTES} bytes without scriptorium's notes")
        values = parsed.values
        if Field.AREA not in values:
            raise TicketUnreadable("the field **Area:** is missing")
        try:
            area = parse_area_name(values[Field.AREA])
            depends = tuple(parse_ticket_id(name) for name in names_in(values.get(Field.DEPENDS, "")))
        except InvalidName as error:
            raise TicketUnreadable(str(error)) from error
        return cls(
            text=text,
            title=parsed.title,
            area=area,
            depends=tuple(dict.fromkeys(depends)),
            priority=parse_priority(values.get(Field.PRIORITY, "")),
            branch=values.get(Field.BRANCH) or None,
            worktree=values.get(Field.WORKTREE) or None,
            log=_notes_of(parsed),
            parsed=parsed,
        )

    @property
    def goal(self) -> str:
        """What is to be done; empty when the section is missing."""
        return self._parsed.section(GOAL) or ""

    @property
    def acceptance(self) -> str:
        """When it is done; empty when the section is missing."""
        return self._parsed.section(ACCEPTANCE) or ""

    @property
    def notes(self) -> str:
        """What else the Manager wrote; empty when the section is missing."""
        return self._parsed.section(NOTES) or ""

    def render(self) -> str:
        """The exact text."""
        return self.text

    @property
    def runs(self) -> tuple[RunNote, ...]:
        """Every run of an agent on this ticket, oldest first."""
        return tuple(note for note in self.log if note.kind == "run")

    @property
    def reopens(self) -> tuple[ReopenNote, ...]:
        """Every time that work came back or the ticket was parked, oldest first."""
        return tuple(note for note in self.log if note.kind == "reopen")

    @property
    def reopen_count(self) -> int:
        """How many reopens count against `maxReopens`: those since the ticket was last parked or unparked."""
        count = 0
        for note in self.log:
            if note.kind == "unpark" or (note.kind == "reopen" and note.parked):
                count = 0
            elif note.kind == "reopen":
                count += 1
        return count

    @property
    def counted_attempts(self) -> int:
        """How many runs count against `maxAttempts`: those since the ticket last came back."""
        count = 0
        for note in self.log:
            count = count + note.counted if note.kind == "run" else 0
        return count

    @property
    def spent(self) -> Spent:
        """What its agents have used since a person last unparked it, or ever."""
        runs: list[RunNote] = []
        for note in self.log:
            if note.kind == "unpark":
                runs.clear()
            elif note.kind == "run":
                runs.append(note)
        return Spent.of(runs)

    def with_field(self, name: Field, value: str | None) -> Ticket:
        """The ticket with the field set to `value`, or without it (None; the area cannot go).

        Raises:
            ValueError: `value` is not one line of text, or not a value of that field.
        """
        return self.with_fields({name: value})

    def with_fields(self, values: Mapping[Field, str | None]) -> Ticket:
        """The ticket with several fields set, as by `with_field` one after the other; raises as that does."""
        for name, value in values.items():
            if value is not None and (_LINE.fullmatch(value) is None or value != value.strip()):
                raise ValueError(f"the field {name} takes one line of text, not {value[:80]!r}")
        return Ticket.parse(self._parsed.with_fields(values))

    def with_run(self, note: RunNote) -> Ticket:
        """The ticket with `note` appended, numbered one past the highest run there."""
        return self._with_note(note.numbered(_next(run.number for run in self.runs)))

    def with_reopen(self, note: ReopenNote) -> Ticket:
        """The ticket with `note` appended, numbered one past the highest of its kind there."""
        of_kind = (reopen.number for reopen in self.reopens if reopen.parked == note.parked)
        return self._with_note(note.numbered(_next(of_kind)))

    def with_unpark(self) -> Ticket:
        """The ticket with a note, numbered as the others are, that its tries start anew."""
        from scriptorium.plan.notes import UnparkNote  # noqa: PLC0415 - as in _note

        unparked = (note.number for note in self.log if note.kind == "unpark")
        return self._with_note(UnparkNote(number=_next(unparked)))

    def _with_note(self, note: Note) -> Ticket:
        return Ticket.parse(self._parsed.with_section(note.render()))


def _next(numbers: Iterable[int]) -> int:
    """One past the highest of them that counts: past the last number of all, no section would be read."""
    return 1 + max(map(counted, numbers), default=0)


@lru_cache(maxsize=16)
def _recently_read(text: str) -> Ticket:
    return Ticket._read(text)


def is_own_section(title: str) -> bool:
    """Whether a heading with this title begins a section that only scriptorium writes."""
    return _OWN_SECTION.fullmatch(title) is not None


def names_in(value: str) -> tuple[str, ...]:
    """The names in the value of a Depends field; `none` and a dash stand for none."""
    names = tuple(name.strip().strip("`").strip() for name in value.split(","))
    return () if names in {("none",), ("None",), ("-",)} else tuple(name for name in names if name)


def parse_priority(value: str) -> Priority:
    """The priority that a field's value names, medium when it is empty; raises `TicketUnreadable`."""
    word = value.strip("`").casefold()
    if not word:
        return Priority.MEDIUM
    try:
        return Priority(word)
    except ValueError:
        raise TicketUnreadable(f"the priority {value[:40]!a} is none of {', '.join(Priority)}") from None


def _notes_of(parsed: TicketText) -> tuple[Note, ...]:
    notes: list[Note] = []
    for position, heading in enumerate(parsed.outline.headings):
        match = _OWN_SECTION.fullmatch(heading.title) if heading.level == 2 else None
        if match is None:
            continue
        try:
            lines = parsed.outline.body(position)
            read = _recent_note if len(lines) <= REMEMBERED_LINES else _note
            notes.append(read(match[1], int(match[2]), lines))
        except RecordUnreadable as error:
            raise TicketUnreadable(f'the section "## {heading.title}" cannot be read: {error}') from error
    return tuple(notes)


def _written_bytes(parsed: TicketText) -> int:
    """How much others wrote: scriptorium's notes and, before them, fields and blank lines aside."""
    own = (heading.line for heading in parsed.outline.headings if is_own_section(heading.title))
    fields = set(parsed.places.values())
    lines = enumerate(parsed.outline.lines[: next(own, None)])
    return sum(len(line.encode()) for number, line in lines if number not in fields and line.strip())


@lru_cache(maxsize=64)
def _recent_note(kind: str, number: int, lines: tuple[str, ...]) -> Note:
    return _note(kind, number, lines)


def _note(kind: str, number: int, lines: tuple[str, ...]) -> Note:
    # With the first note there is: `status` reads every ticket, and is quick where most are still new.
    from scriptorium.plan.notes import ReopenNote, RunNote, UnparkNote  # noqa: PLC0415

    if kind == "Unparked":
        return UnparkNote(number=number)
    record = parse_record(lines)
    if kind == "Run":
        return RunNote.parse(number, record)
    return ReopenNote.parse(number, record, parked=kind == "Parked")
