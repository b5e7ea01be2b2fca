"""What only the history of the plan branch knows: which numbers it has given out. Read backwards, from the
tip to the newest commit that gave out one of the kind that is asked for, and never twice.
"""

from __future__ import annotations

import threading
from typing import Final

from attrs import frozen

from scriptorium.plan.ids import Oid, counted
from scriptorium.plan.layout import AUTHOR
from scriptorium.plan.message import Kind, Message, Trailer, parse_message
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.snapshot import Given

_MAX_DIGITS: Final = 9

_GIVEN_BY: Final = {
    Trailer.QUEUE: {Kind.ENQUEUE},
    Trailer.TICKET: {Kind.CREATE_TICKETS, Kind.CREATE_RECOVERY},
}
"""The kinds of commits that give out the numbers in a trailer."""


class History:
    """Answers for any commit of one repository, from any thread."""

    def __init__(self, objects: GitObjects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._known: dict[Trailer, tuple[Oid, int]] = {}

    def numbers(self, commit: Oid) -> Given:
        """The highest numbers given out up to `commit`; each raises `ObjectMissing` when it is asked for."""
        return _Later(self, commit)

    def highest(self, commit: Oid, trailer: Trailer) -> int:
        """The highest number of one kind given out up to `commit`; 0 for none."""
        with self._lock:
            number = self._walk(commit, trailer)
            self._known[trailer] = (commit, number)
            return number

    def grew(self, parent: Oid, commit: Oid, message: Message) -> None:
        """The commit, with that message of our own, was made on `parent`: it need not be read."""
        with self._lock:
            for trailer, (known, number) in self._known.items():
                if known == parent:
                    self._known[trailer] = (commit, max(number, _highest(message.values(trailer))))

    def _walk(self, commit: Oid, trailer: Trailer) -> int:
        known, number = self._known.get(trailer, (None, 0))
        highest = 0
        here: Oid | None = commit
        while here is not None:
            if here == known:
                return max(highest, number)
            facts = self._objects.commit(here)
            message = parse_message(facts.message) if facts.author == AUTHOR else None
            if message is not None:
                # Every number that is named: we give none to a ticket that a person made, but may park it.
                highest = max(highest, _highest(message.values(trailer)))
                # Numbers rise, so that all before the newest that was given are lower. A commit of ours that
                # a person made again (a rebase, a cherry-pick) may be an old one.
                if facts.committer == AUTHOR and _given(message, trailer):
                    return highest
            here = facts.parents[0] if facts.parents else None
        return highest


@frozen
class _Later:
    _history: History
    _commit: Oid

    @property
    def queue(self) -> int:
        return self._history.highest(self._commit, Trailer.QUEUE)

    @property
    def ticket(self) -> int:
        return self._history.highest(self._commit, Trailer.TICKET)


def _given(message: Message, trailer: Trailer) -> int:
    return _highest(message.values(trailer)) if message.kind in _GIVEN_BY[trailer] else 0


def _highest(values: tuple[str, ...]) -> int:
    numbers = (counted(int(value)) for value in values if value.isdecimal() and len(value) <= _MAX_DIGITS)
    return max(numbers, default=0)
