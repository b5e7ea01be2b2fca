"""The little Markdown that the plan is written in, line by line: headings, `**Name:** value` fields, and
code fences, inside of which nothing is either. Lines keep their ends, so that joining them gives the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# Nothing optional before an end, here: a hostile line of a megabyte of blanks must not take minutes.
_HEADING = re.compile(r"(#{1,6})[ \t](.*)", re.DOTALL)
_FIELD = re.compile(r"\*\*([A-Za-z]{1,40}):\*\*(.*)", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


class Heading(NamedTuple):
    """A heading outside of any fence: the line it is on, its level (1 to 6), its text."""

    line: int
    level: int
    title: str


class Outline(NamedTuple):
    """The lines of a text (with their ends), its headings, and the fence that is open at its end."""

    lines: tuple[str, ...]
    headings: tuple[Heading, ...]
    fenced: frozenset[int]
    open_fence: str | None

    def end_of(self, position: int) -> int:
        """The line at which the part under heading number `position` ends: the next of level 1 or 2."""
        for later in range(position + 1, len(self.headings)):
            if self.headings[later].level <= 2:
                return self.headings[later].line
        return len(self.lines)

    def body(self, position: int) -> tuple[str, ...]:
        """The lines under heading number `position`, without their ends."""
        start = self.headings[position].line + 1
        return tuple(bare(line) for line in self.lines[start : self.end_of(position)])


def bare(line: str) -> str:
    """A line without its end, `\\n` or `\\r\\n`."""
    return line.removesuffix("\n").removesuffix("\r")


def split_lines(text: str) -> tuple[str, ...]:
    """The lines of `text` with their ends; only `\\n` ends one (`str.splitlines` knows nine more)."""
    lines = text.split("\n")
    last = lines.pop()
    return (*(f"{line}\n" for line in lines), *((last,) if last else ()))


def outline(text: str) -> Outline:
    """Read the lines of `text` once."""
    lines = split_lines(text)
    headings: list[Heading] = []
    fenced: set[int] = set()
    fence: str | None = None
    for number, raw in enumerate(lines):
        if number and fence is None and raw[0] != "#" and "```" not in raw and "~~~" not in raw:
            continue  # as nearly every line: a ticket is read at each of its transitions
        line = bare(raw) if number else bare(raw).removeprefix("\ufeff")
        if fence is not None:
            fenced.add(number)
            if _closes(line, fence):
                fence = None
        elif line.startswith("#"):
            match = _HEADING.fullmatch(line)
            if match is not None:
                headings.append(Heading(number, len(match[1]), _title(match[2])))
        elif "```" in line or "~~~" in line:
            fence = _opened_by(line)
            if fence is not None:
                fenced.add(number)
    return Outline(lines, tuple(headings), frozenset(fenced), fence)


def fields(
    lines: Sequence[str], start: int, end: int, fenced: frozenset[int]
) -> Iterator[tuple[int, str, str]]:
    """Each `**Name:** value` line from `start` up to `end`: (line, name, value)."""
    for number in range(start, end):
        line = lines[number]
        if line.startswith("**") and number not in fenced:
            match = _FIELD.fullmatch(bare(line))
            if match is not None:
                yield number, match[1], match[2].strip()


def _title(text: str) -> str:
    """The title without the `#`s that may close it."""
    title = text.strip()
    opened = title.rstrip("#")
    return opened.rstrip() if opened != title and opened[-1:] in {"", " ", "\t"} else title


def _opened_by(line: str) -> str | None:
    match = _FENCE.fullmatch(line)
    if match is None or (match[1][0] == "`" and "`" in match[2]):
        return None
    return match[1]


def _closes(line: str, fence: str) -> bool:
    match = _FENCE.fullmatch(line)
    return match is not None and match[1].startswith(fence) and not match[2].strip()
