"""A snapshot: everything the plan branch says at one commit, as immutable values.

What cannot be read is set aside as a `Problem` with its path, and stops nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from attrs import field, frozen

from scriptorium.plan._text import printable
from scriptorium.plan.area import Area, Marker
from scriptorium.plan.ids import AreaName, Oid, Slug, TicketId, ticket_number
from scriptorium.plan.layout import ACTIVE, TicketState, ticket_path
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.spec import Spec
from scriptorium.plan.ticket import Ticket


@frozen
class Problem:
    """Something on the plan branch that is not understood. `ticket` is set when it has a ticket's name."""

    path: str = field(converter=printable)
    reason: str
    ticket: TicketId | None = None


@frozen
class Numbers:
    """The highest numbers that a plan's history has given out; 0 for none."""

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
    highest: int
    kept: bool


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
    _areas: Areas = field(repr=False)
    _ticketed: Ticketed = field(repr=False)
    _queue: Queue = field(repr=False)
    _misplaced: tuple[Problem, ...] = field(repr=False)
    _numbers: Callable[[], Numbers] = field(repr=False)

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

    @cached_property
    def duplicates(self) -> Mapping[TicketId, tuple[str, ...]]:
        """The ids that several files claim, with the paths of all of them."""
        paths: dict[TicketId, tuple[str, ...]] = {}
        folders = tuple(self.folders.values())
        for position, folder in enumerate(folders):
            twice = set(folder.doubled)
            for other in folders[position + 1 :]:
                twice |= folder.names.keys() & other.names.keys()
            for ticket in twice - paths.keys():
                paths[ticket] = tuple(name for f in folders for name in f.names.get(ticket, ()))
        return paths

    @cached_property
    def tickets(self) -> Mapping[TicketId, TicketFile]:
        """Every ticket that can be read and is in exactly one place, by id, lowest first."""
        found: dict[TicketId, TicketFile] = {}
        for folder in self.folders.values():
            found.update(folder.tickets)
        for ticket in self.duplicates:
            found.pop(ticket, None)
        return dict(sorted(found.items(), key=lambda item: ticket_number(item[0])))

    def find(self, ticket: TicketId) -> TicketFile | None:
        """The ticket of that id, as in `tickets`, without gathering them all."""
        if ticket in self.duplicates:
            return None
        files = (folder.tickets.get(ticket) for folder in self.folders.values())
        return next((file for file in files if file is not None), None)

    def in_state(self, state: TicketState) -> tuple[TicketFile, ...]:
        """The tickets in one state, lowest id first."""
        files = (file for file in self.folders[state].tickets.values() if file.id not in self.duplicates)
        return tuple(sorted(files, key=lambda file: ticket_number(file.id)))

    def state_of(self, ticket: TicketId) -> TicketState | None:
        """Where a ticket is, readable or not; None when it is nowhere or in several places."""
        states = [state for state, folder in self.folders.items() if ticket in folder.names]
        return states[0] if len(states) == 1 and ticket not in self.duplicates else None

    def entry_of(self, ticket: TicketId) -> QueueEntry | None:
        """The queue entry of a ticket."""
        return next((entry for entry in self.pending if entry.ticket == ticket), None)

    def queue_paths(self, ticket: TicketId) -> frozenset[str]:
        """The files in the queue that are about a ticket: what goes when its outcome is known."""
        paths = {entry.path for entry in self.pending if entry.ticket == ticket}
        if self._queue.active_ticket == ticket:
            paths.add(ACTIVE)
        return frozenset(paths)

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is not understood, by path; but for the texts of done tickets, which are not read here."""
        found = [*self._misplaced, *self._areas.problems, *self._ticketed.problems, *self._queue.problems]
        for folder in self.folders.values():
            found.extend(folder.problems)
        for ticket, paths in self.duplicates.items():
            found.extend(
                Problem(path, f"ticket {ticket} is there {len(paths)} times: {', '.join(paths)}", ticket)
                for path in paths
            )
        return tuple(sorted(found, key=lambda problem: problem.path))

    @property
    def queue_high(self) -> int:
        """The highest number of any queue entry so far; reads history when first asked for."""
        return max(self._numbers().queue, self._queue.highest)

    @property
    def ticket_high(self) -> int:
        """The highest number of any ticket so far on this branch, deleted ones included."""
        return max(self._numbers().ticket, *(folder.highest for folder in self.folders.values()))
