"""What only the history of the plan branch knows: which numbers it has given out. Read backwards, from the
tip to the newest commit that gave out each kind, and never twice.
"""

from __future__ import annotations

import threading
from typing import Final

from attrs import evolve

from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import AUTHOR
from scriptorium.plan.message import Kind, Trailer, parse_message
from scriptorium.plan.objects import CommitFacts, GitObjects
from scriptorium.plan.snapshot import Numbers

_MAX_DIGITS: Final = 9


class History:
    """Answers for any commit of one repository, from any thread."""

    def __init__(self, objects: GitObjects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._known: tuple[Oid, Numbers] | None = None

    def numbers(self, commit: Oid) -> Numbers:
        """The highest numbers given out up to `commit`."""
        with self._lock:
            numbers = self._walk(commit)
            self._known = (commit, numbers)
            return numbers

    def _walk(self, commit: Oid) -> Numbers:
        found = Numbers()
        here: Oid | None = commit
        while here is not None and not (found.queue and found.ticket):
            if self._known is not None and self._known[0] == here:
                return _filled(found, self._known[1])
            facts = self._objects.commit(here)
            found = _filled(found, _given_out(facts))
            here = facts.parents[0] if facts.parents else None
        return found


def _filled(found: Numbers, earlier: Numbers) -> Numbers:
    """`found`, and from `earlier` what was not found: numbers rise, so the newest is the highest."""
    return Numbers(found.queue or earlier.queue, found.ticket or earlier.ticket)


def _given_out(facts: CommitFacts) -> Numbers:
    message = parse_message(facts.message) if facts.author == AUTHOR else None
    numbers = Numbers()
    if message is None:
        return numbers
    if message.kind is Kind.ENQUEUE:
        numbers = evolve(numbers, queue=_highest(message.values(Trailer.QUEUE)))
    elif message.kind is Kind.CREATE_TICKETS:
        numbers = evolve(numbers, ticket=_highest(message.values(Trailer.TICKET)))
    return numbers


def _highest(values: tuple[str, ...]) -> int:
    numbers = (int(value) for value in values if value.isdecimal() and len(value) <= _MAX_DIGITS)
    return max(numbers, default=0)
