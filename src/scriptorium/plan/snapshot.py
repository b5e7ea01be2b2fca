"""A snapshot: everything the plan branch says at one commit, as immutable values.

What cannot be read is set aside as a `Problem` with its path, and stops nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Final, Protocol

from attrs import field, frozen

from scriptorium.plan._files import Placed
from scriptorium.plan._text import printable
from scriptorium.plan.area import Area, Marker
from scriptorium.plan.ids import AreaName, InvalidName, Oid, Slug, TicketId, ticket_number
from scriptorium.plan.layout import ACTIVE, PENDING, TicketState, parse_entry_name, ticket_path
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.spec import Spec
from scriptorium.plan.ticket import Ticket

SHOWN_PATHS: Final = 5
"""How many files of one ticket are named in the problem of each: there may be ten thousand."""


def said_of_copies(ticket: TicketId, paths: Sequence[str]) -> str:
    """What is wrong with a ticket that is in several files."""
    more = f" and {len(paths) - SHOWN_PATHS} more" if len(paths) > SHOWN_PATHS else ""
    return f"ticket {ticket} is there {len(paths)} times: {', '.join(paths[:SHOWN_PATHS])}{more}"


@frozen
class Problem:
    """Something on the plan branch that is not understood. `ticket` is set when it has a ticket's name."""

    path: str = field(converter=printable)
    reason: str
    ticket: TicketId | None = None

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Given(Protocol):
    """The highest numbers that a plan's history has given out; 0 for none. Looked for when asked for."""

    @property
    def queue(self) -> int:
        """Of queue entries."""

    @property
    def ticket(self) -> int:
        """Of tickets."""


@frozen
class Numbers:
    """Numbers that are known already, as `Given`."""

    queue: int = 0
    ticket: int = 0


@frozen
class TicketFile:
    """A ticket and where it is. Equal to another when it is the same text in the same place.

    The text of a *done* ticket is read when `ticket` is first asked for, as there may be ten thousand:
    it raises `TicketUnreadable` when that text is damaged. Any other ticket was read already.
    """

    id: TicketId
    slug: Slug
    state: TicketState
    blob: Oid
    _load: Callable[[Oid], Ticket] = field(eq=False, repr=False)

    @property
    def path(self) -> str:
        """The path of the file."""
        return ticket_path(self.state, self.id, self.slug)

    @property
    def name(self) -> str:
        """`NNNN-slug`."""
        return f"{self.id}-{self.slug}"

    @cached_property
    def ticket(self) -> Ticket:
        """The ticket itself."""
        return self._load(self.blob)


@frozen(eq=False, repr=False)
class Folder:
    """One state folder: its tickets, what was set aside in it, and the highest number in any name.

    `names` holds every well-formed ticket id with the files of that id, readable or not; `doubled` the
    ids that have several.
    """

    tree: Oid | None
    tickets: Mapping[TicketId, TicketFile]
    names: Mapping[TicketId, tuple[str, ...]]
    problems: tuple[Problem, ...]
    doubled: frozenset[TicketId]
    _is_kept: Callable[[], bool]
    _find_highest: Callable[[], int]

    @cached_property
    def kept(self) -> bool:
        """Whether its `.gitkeep` is there."""
        return self._is_kept()

    @cached_property
    def highest(self) -> int:
        """The highest number in any name, a ticket's or not; 0 for none."""
        return self._find_highest()


@frozen(eq=False, repr=False)
class Areas:
    """The folder `areas/`."""

    areas: Mapping[AreaName, Area]
    areas_from: Marker | None
    problems: tuple[Problem, ...]


@frozen(eq=False, repr=False)
class Ticketed:
    """The folder `tickets/.areas/`: which text of each area was last ticketed."""

    markers: Mapping[AreaName, Marker]
    problems: tuple[Problem, ...]


@frozen(eq=False, repr=False)
class Queue:
    """The folder `queue/merge/`.

    `active` is the entry that `active.md` names, if it is there; `active_ticket` whom it names, anyway.
    """

    pending: tuple[QueueEntry, ...]
    active: QueueEntry | None
    active_ticket: TicketId | None
    highest: int
    problems: tuple[Problem, ...]


@frozen(eq=False)
class Snapshot:
    """The plan at `commit`; `tree` is the tree of that commit."""

    commit: Oid
    tree: Oid
    spec: Spec | None
    folders: Mapping[TicketState, Folder] = field(repr=False)
    duplicates: Mapping[TicketId, tuple[str, ...]] = field(repr=False)
    """The ids that several files claim, with the paths of all of them."""
    _areas: Areas = field(repr=False)
    _ticketed: Ticketed = field(repr=False)
    _queue: Queue = field(repr=False)
    _misplaced: tuple[Problem, ...] = field(repr=False)
    _numbers: Callable[[], Given] = field(repr=False)

    @property
    def areas(self) -> Mapping[AreaName, Area]:
        """The areas, by name."""
        return self._areas.areas

    @property
    def areas_from(self) -> Marker | None:
        """Which text of the spec the areas were written from."""
        return self._areas.areas_from

    @property
    def ticketed(self) -> Mapping[AreaName, Marker]:
        """Which text of each area was last ticketed."""
        return self._ticketed.markers

    @property
    def pending(self) -> tuple[QueueEntry, ...]:
        """The merge queue, oldest entry first; the one being landed is among them."""
        return self._queue.pending

    @property
    def active(self) -> QueueEntry | None:
        """The entry being landed."""
        return self._queue.active

    @property
    def active_ticket(self) -> TicketId | None:
        """The ticket of the entry that `active.md` names, whether that entry is there or not."""
        return self._queue.active_ticket

    @cached_property
    def tickets(self) -> Mapping[TicketId, TicketFile]:
        """Every ticket that can be read and is in exactly one place, by id, lowest first.

        To ask for one costs nothing; to go through them all takes as long as there are tickets.
        """
        return Placed(tuple(self.folders.values()), self.duplicates)

    def find(self, ticket: TicketId) -> TicketFile | None:
        """The ticket of that id, as in `tickets`."""
        return self.tickets.get(ticket)

    def in_state(self, state: TicketState) -> tuple[TicketFile, ...]:
        """The tickets in one state, lowest id first."""
        files = self.folders[state].tickets
        ids = sorted((ticket for ticket in files if ticket not in self.duplicates), key=ticket_number)
        return tuple(files[ticket] for ticket in ids)

    def state_of(self, ticket: TicketId) -> TicketState | None:
        """Where a ticket is, readable or not; None when it is nowhere or in several places."""
        if ticket in self.duplicates:
            return None
        return next((state for state, folder in self.folders.items() if ticket in folder.names), None)

    def entry_of(self, ticket: TicketId) -> QueueEntry | None:
        """The queue entry of a ticket."""
        return next((entry for entry in self.pending if entry.ticket == ticket), None)

    def queue_paths(self, ticket: TicketId) -> frozenset[str]:
        """The files in the queue that are about a ticket: what goes when its outcome is known."""
        paths = self.entry_paths(ticket)
        return paths | {ACTIVE} if self._queue.active_ticket == ticket else paths

    def entry_paths(self, ticket: TicketId) -> frozenset[str]:
        """The files of a ticket that wait in the queue, readable or not."""
        unread = self.unread_entries.get(ticket, frozenset())
        return unread.union(entry.path for entry in self.pending if entry.ticket == ticket)

    @cached_property
    def unread_entries(self) -> Mapping[TicketId, frozenset[str]]:
        """The files that wait in the queue under a ticket's name, and cannot be read as its one entry."""
        found: dict[TicketId, set[str]] = {}
        for path in (problem.path for problem in self._queue.problems):
            folder, _, name = path.rpartition("/")
            if folder == PENDING:
                with suppress(InvalidName):
                    ticket = parse_entry_name(name.removesuffix(".md"))[1]
                    found.setdefault(ticket, set()).add(path)
        return {ticket: frozenset(paths) for ticket, paths in found.items()}

    def is_set_aside(self, ticket: TicketId) -> bool:
        """Whether a file with the number of this ticket is there that cannot be read as the one ticket."""
        numbered = re.compile(rf"tickets/[^/]+/{ticket}-")
        return any(numbered.match(problem.path) for problem in self.problems)

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is not understood, by path; but for the texts of done tickets, which are not read here."""
        found = [*self._misplaced, *self._areas.problems, *self._ticketed.problems, *self._queue.problems]
        for folder in self.folders.values():
            found.extend(folder.problems)
        for ticket, paths in self.duplicates.items():
            reason = said_of_copies(ticket, paths)
            found.extend(Problem(path, reason, ticket) for path in paths)
        return tuple(sorted(found, key=lambda problem: problem.path))

    def problem_at(self, path: str) -> Problem | None:
        """What keeps the file at `path` from being understood: a problem of its own, or of a folder above."""
        return next((p for p in self.problems if p.path == path or path.startswith(f"{p.path}/")), None)

    @property
    def queue_high(self) -> int:
        """The highest number of any queue entry so far; reads history when first asked for."""
        return max(self._numbers().queue, self._queue.highest)

    @property
    def ticket_high(self) -> int:
        """The highest number of any ticket so far on this branch, deleted ones included."""
        return max(self._numbers().ticket, *(folder.highest for folder in self.folders.values()))
