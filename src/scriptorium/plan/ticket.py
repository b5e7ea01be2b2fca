"""A ticket: Markdown that people, agents and scriptorium all write in. The exact text is kept; fields are
edited in place and notes are appended, so that nothing anyone wrote is lost.
"""

from __future__ import annotations

import re
from enum import StrEnum

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
from scriptorium.plan.ids import AreaName, InvalidName, TicketId, parse_area_name, parse_ticket_id
from scriptorium.plan.notes import ReopenNote, RunNote

__all__ = ["MAX_TICKET_BYTES", "Field", "Note", "Priority", "Ticket", "TicketUnreadable", "is_own_section"]

Note = RunNote | ReopenNote

_OWN_SECTION = re.compile(r"(Run|Reopened|Parked) ([1-9][0-9]{0,8})")
_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Priority(StrEnum):
    """How soon a ticket is taken up; `rank` grows with it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return tuple(Priority).index(self)


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
    goal: str = field(eq=False, repr=False)
    acceptance: str = field(eq=False, repr=False)
    notes: str = field(eq=False, repr=False)
    log: tuple[Note, ...] = field(eq=False, repr=False)
    _parsed: TicketText = field(eq=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """Read a ticket; `Ticket.parse(text).render() == text` for every text that can be read.

        Raises:
            TicketUnreadable: no title, no area, a field that is wrong or there twice, a damaged note.
        """
        parsed = TicketText.parse(text)
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
            goal=parsed.section(GOAL) or "",
            acceptance=parsed.section(ACCEPTANCE) or "",
            notes=parsed.section(NOTES) or "",
            log=_notes_of(parsed),
            parsed=parsed,
        )

    def render(self) -> str:
        """The exact text."""
        return self.text

    @property
    def runs(self) -> tuple[RunNote, ...]:
        """Every run of an agent on this ticket, oldest first."""
        return tuple(note for note in self.log if isinstance(note, RunNote))

    @property
    def reopens(self) -> tuple[ReopenNote, ...]:
        """Every time that work came back or the ticket was parked, oldest first."""
        return tuple(note for note in self.log if isinstance(note, ReopenNote))

    @property
    def reopen_count(self) -> int:
        """How often the ticket was reopened since it was last parked: unparking gives it a new start."""
        count = 0
        for note in self.reopens:
            count = 0 if note.parked else count + 1
        return count

    @property
    def counted_attempts(self) -> int:
        """How many runs count against `maxAttempts`: those since the ticket last came back."""
        count = 0
        for note in self.log:
            match note:
                case ReopenNote():
                    count = 0
                case RunNote():
                    count += note.counted
        return count

    def with_field(self, name: Field, value: str | None) -> Ticket:
        """The ticket with the field set to `value`, or without it (None; the area cannot go).

        Raises:
            ValueError: `value` is not one line of text, or not a value of that field.
        """
        if value is not None and (_LINE.fullmatch(value) is None or value != value.strip()):
            raise ValueError(f"the field {name} takes one line of text, not {value[:80]!r}")
        return Ticket.parse(self._parsed.with_field(name, value))

    def with_run(self, note: RunNote) -> Ticket:
        """The ticket with `note` appended, numbered one past the highest run there."""
        return self._with_note(note.numbered(1 + max((run.number for run in self.runs), default=0)))

    def with_reopen(self, note: ReopenNote) -> Ticket:
        """The ticket with `note` appended, numbered one past the highest of its kind there."""
        of_kind = (reopen.number for reopen in self.reopens if reopen.parked == note.parked)
        return self._with_note(note.numbered(1 + max(of_kind, default=0)))

    def _with_note(self, note: Note) -> Ticket:
        return Ticket.parse(self._parsed.with_section(note.render()))


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
        record = parse_record(parsed.outline.body(position))
        try:
            if match[1] == "Run":
                notes.append(RunNote.parse(int(match[2]), record))
            else:
                notes.append(ReopenNote.parse(int(match[2]), record, parked=match[1] == "Parked"))
        except RecordUnreadable as error:
            raise TicketUnreadable(f'the section "## {heading.title}" cannot be read: {error}') from error
    return tuple(notes)
