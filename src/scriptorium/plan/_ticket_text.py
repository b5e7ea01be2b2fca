"""The text of a ticket as a document: its title, the fields of its header, its sections. Editing changes
the lines that it must and keeps every other character, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from attrs import frozen

from scriptorium.plan._markdown import Outline, bare, fields, outline

MAX_TICKET_BYTES: Final = 8 << 20
"""A ticket larger than this is set aside: room for some hundred notes, none for a planted 50 MB file."""

GOAL: Final = "Goal"
ACCEPTANCE: Final = "Acceptance Criteria"
NOTES: Final = "Notes"


class TicketUnreadable(ValueError):
    """The text is not a ticket. The message says why; a person has to mend the file."""


class Field(StrEnum):
    """The fields of a ticket, in the order in which they stand."""

    AREA = "Area"
    DEPENDS = "Depends"
    PRIORITY = "Priority"
    BRANCH = "Branch"
    WORKTREE = "Worktree"


_NAMES: Final = frozenset(Field)
_ORDER: Final = tuple(Field)


@frozen(eq=False, repr=False)
class TicketText:
    """A text with a title. `places` holds the line of each field; `header_end` the line after the header."""

    outline: Outline
    title: str
    title_line: int
    header_end: int
    values: Mapping[Field, str]
    places: Mapping[Field, int]

    @classmethod
    def parse(cls, text: str) -> TicketText:
        """Read the header of `text`; raises `TicketUnreadable`."""
        read = outline(text)
        if not read.headings or read.headings[0].level != 1 or not read.headings[0].title:
            raise TicketUnreadable("it does not begin with a title (# …)")
        start = read.headings[0].line
        end = read.headings[1].line if len(read.headings) > 1 else len(read.lines)
        values: dict[Field, str] = {}
        places: dict[Field, int] = {}
        for line, name, value in fields(read.lines, start + 1, end, read.fenced):
            if name not in _NAMES:
                continue
            if Field(name) in places:
                raise TicketUnreadable(
                    f"the field {name} is there twice, on lines {places[Field(name)] + 1} and {line + 1}"
                )
            values[Field(name)] = value
            places[Field(name)] = line
        return cls(read, read.headings[0].title, start, end, values, places)

    def section(self, title: str) -> str | None:
        """The text under the first `## <title>`, without blank lines around it; None when there is none."""
        for position, heading in enumerate(self.outline.headings):
            if heading.level == 2 and heading.title.casefold() == title.casefold():
                return "\n".join(self.outline.body(position)).strip("\n")
        return None

    def with_field(self, name: Field, value: str | None) -> str:
        """The text with the field set, or without it when `value` is None."""
        return self.with_fields({name: value})

    def with_fields(self, values: Mapping[Field, str | None]) -> str:
        """The text with each field set in turn, or without it when its value is None."""
        lines, places = list(self.outline.lines), dict(self.places)
        for name, value in values.items():
            place = places.get(name)
            if value is None:
                if place is not None:
                    del lines[place], places[name]
                    _shift(places, place, -1)
            elif place is not None:
                lines[place] = f"**{name}:** {value}{_ending(lines[place])}"
            else:
                self._add_field(lines, places, name, value)
        return "".join(lines)

    def with_section(self, section: str) -> str:
        """The text with `section`, from its heading to its last newline, as the last one."""
        parts = ["".join(self.outline.lines)]
        if parts[0] and not parts[0].endswith("\n"):
            parts.append("\n")
        if self.outline.open_fence is not None:
            # An open fence would swallow the section and everything appended after it.
            parts.append(f"{self.outline.open_fence}\n")
        return "".join((*parts, "\n", section))

    def _add_field(self, lines: list[str], places: dict[Field, int], name: Field, value: str) -> None:
        newline = "\r\n" if lines[self.title_line].endswith("\r\n") else "\n"
        field = f"**{name}:** {value}{newline}"
        if places:
            earlier = [places[other] for other in _ORDER[: _ORDER.index(name)] if other in places]
            position = max(earlier) + 1 if earlier else min(places.values())
            if not _ending(lines[position - 1]):
                lines[position - 1] += newline
            lines.insert(position, field)
            _shift(places, position, 1)
            places[name] = position
            return
        if not _ending(lines[self.title_line]):
            lines[self.title_line] += newline
        following = lines[self.title_line + 1 : self.title_line + 2]
        gap = [] if not following or not bare(following[0]).strip() else [newline]
        lines[self.title_line + 1 : self.title_line + 1] = [newline, field, *gap]
        places[name] = self.title_line + 2


def _shift(places: dict[Field, int], start: int, by: int) -> None:
    """Move the places from the line `start` on."""
    for name, place in places.items():
        if place >= start:
            places[name] = place + by


def _ending(line: str) -> str:
    return line[len(bare(line)) :]
