"""Commit messages of the plan branch: a subject from a fixed list, and git trailers for programs to read.

Nothing that an agent or a person wrote ever enters one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from attrs import frozen

PREFIX: Final = "scriptorium: "

_TRAILER = re.compile(r"([A-Za-z][A-Za-z-]*): (.*)")


class Trailer(StrEnum):
    """The names of the trailers."""

    TICKET = "Ticket"
    FROM = "From"
    TO = "To"
    ATTEMPT = "Attempt"
    LANDED = "Landed"
    QUEUE = "Queue"
    AREA = "Area"
    REPAIRED = "Repaired"


class Kind(StrEnum):
    """The kinds of transitions: each is the fixed beginning of a subject, after the prefix."""

    INITIALIZE = "initialize plan branch"
    UPDATE_SPEC = "update spec"
    UPDATE_SPEC_FROM_ARCHITECT = "update spec from architect"
    UPDATE_AREAS = "update areas from spec"
    CREATE_TICKETS = "create tickets from areas"
    CREATE_RECOVERY = "create recovery ticket"
    ASSIGN = "assign ticket"
    RECORD_RUN = "record agent run"
    ENQUEUE = "enqueue merge request"
    START_LANDING = "start landing"
    COMPLETE = "complete ticket"
    REOPEN = "reopen ticket"
    PARK_TICKET = "park ticket"
    UNPARK_TICKET = "unpark ticket"
    PARK_AREA = "park area"
    UNPARK_AREA = "unpark area"
    PARK_SPEC = "park spec"
    UNPARK_SPEC = "unpark spec"
    REPAIR = "repair plan branch"


@frozen
class Message:
    """What a commit says. `name` follows the kind in the subject: a ticket or an area; empty for none."""

    kind: Kind
    name: str = ""
    trailers: tuple[tuple[Trailer, str], ...] = ()

    @property
    def subject(self) -> str:
        """The first line."""
        return f"{PREFIX}{self.kind} {self.name}".rstrip()

    def render(self) -> str:
        """The whole text of the commit message."""
        lines = [f"{name}: {value}\n" for name, value in self.trailers]
        return "".join((f"{self.subject}\n", "\n" if lines else "", *lines))

    def values(self, trailer: Trailer) -> tuple[str, ...]:
        """The values of every trailer of that name."""
        return tuple(value for name, value in self.trailers if name is trailer)

    def value(self, trailer: Trailer) -> str | None:
        """The value of the first trailer of that name."""
        return next(iter(self.values(trailer)), None)


def parse_message(text: str) -> Message | None:
    """The message that `text` renders, or None when its subject is none of scriptorium's."""
    subject, _, rest = text.partition("\n")
    if not subject.startswith(PREFIX):
        return None
    words = subject.removeprefix(PREFIX)
    for kind in _LONGEST_FIRST:
        if words == kind or words.startswith(f"{kind} "):
            return Message(kind, words[len(kind) :].strip(), _trailers(rest.split("\n")))
    return None


def _trailers(lines: Sequence[str]) -> tuple[tuple[Trailer, str], ...]:
    found: list[tuple[Trailer, str]] = []
    for line in lines:
        match = _TRAILER.fullmatch(line)
        if match is not None and match[1] in _NAMES:
            found.append((Trailer(match[1]), match[2]))
    return tuple(found)


_NAMES: Final = frozenset(Trailer)
_LONGEST_FIRST: Final = tuple(sorted(Kind, key=len, reverse=True))
