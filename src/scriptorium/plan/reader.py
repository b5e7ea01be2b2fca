"""Reads snapshots, incrementally: a folder whose tree has not changed is not looked at again, of one that has
only what differs is, and a blob that was parsed is not parsed again, wherever it has moved.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from scriptorium.plan._place import Memo, Place, read_marker
from scriptorium.plan._state_folder import StateFolder, leading_number
from scriptorium.plan.area import Area, Marker
from scriptorium.plan.ids import AreaName, InvalidName, Oid, TicketId, parse_area_name
from scriptorium.plan.layout import ACTIVE, TicketState, entry_name, parse_area_file
from scriptorium.plan.objects import ObjectMissing, Objects, TooLarge, TreeEntry
from scriptorium.plan.queue_entry import MAX_ENTRY_BYTES, QueueEntry, parse_active
from scriptorium.plan.snapshot import Areas, Folder, Given, Problem, Queue, Snapshot, Ticketed
from scriptorium.plan.spec import Spec
from scriptorium.plan.ticket import MAX_TICKET_BYTES, Ticket, TicketUnreadable

MAX_TEXT_BYTES: Final = 1 << 20
"""A spec or an area larger than this is set aside: as much as is read back from a planner."""

PARSED_TICKETS: Final = 4096
"""How many parsed tickets are remembered: several times what is open and in progress at once."""

Claims: TypeAlias = Mapping[TicketId, tuple[str, ...]]
"""The paths of the files that claim an id, by id."""


class SnapshotReader:
    """Reads snapshots from `objects`, each using what the last one read. For one thread at a time."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._parsed: OrderedDict[Oid, Ticket | TicketUnreadable] = OrderedDict()
        self._folders = {state: StateFolder(state, objects, self._loader) for state in TicketState}
        self._duplicates: Claims | None = None
        self._entries: dict[TreeEntry, QueueEntry] = {}
        self._areas = Memo[Areas]()
        self._ticketed = Memo[Ticketed]()
        self._queue = Memo[Queue]()
        self._spec = Memo[tuple[Spec | None, tuple[Problem, ...]]]()

    def read(self, commit: Oid, tree: Oid, numbers: Callable[[], Given]) -> Snapshot:
        """The snapshot of the plan at `commit`, whose tree is `tree`. Raises `ObjectMissing`."""
        misplaced: list[Problem] = []
        root = Place(self._objects, tree, "", misplaced)
        tickets = root.folder("tickets")
        merge = root.folder("queue").folder("merge")
        folders, duplicates = self._read_tickets({state: tickets.folder(state).tree for state in TicketState})
        areas, ticketed, pending = root.folder("areas"), tickets.folder(".areas"), merge.folder("pending")
        spec, spec_problems = self._spec.get(root.entry("spec.md"), lambda: self._read_spec(root))
        return Snapshot(
            commit=commit,
            tree=tree,
            spec=spec,
            folders=folders,
            duplicates=duplicates,
            areas=self._areas.get(areas.tree, lambda: self._read_areas(areas)),
            ticketed=self._ticketed.get(ticketed.tree, lambda: self._read_ticketed(ticketed)),
            queue=self._queue.get(merge.tree, lambda: self._read_queue(merge, pending)),
            misplaced=(*misplaced, *spec_problems),
            numbers=numbers,
        )

    def _read_tickets(
        self, trees: Mapping[TicketState, Oid | None]
    ) -> tuple[Mapping[TicketState, Folder], Claims]:
        """The state folders, and the ids that several files in them claim."""
        before, self._duplicates = self._duplicates, None  # whatever happens before it is known again
        folders: dict[TicketState, Folder] = {}
        touched: set[TicketId] = set()
        for state, tree in trees.items():
            folders[state], differing = self._folders[state].read(tree)
            if differing is None:
                before = None
            else:
                touched.update(differing)
        claims = () if before is None else before.items()
        twice = {ticket: paths for ticket, paths in claims if ticket not in touched}
        for ticket in _claimed_twice(folders.values()) if before is None else touched:
            paths = tuple(path for folder in folders.values() for path in folder.names.get(ticket, ()))
            if len(paths) > 1:
                twice[ticket] = paths
        self._duplicates = twice
        return folders, twice

    def _read_spec(self, root: Place) -> tuple[Spec | None, tuple[Problem, ...]]:
        problems: list[Problem] = []
        entry = root.entry("spec.md")
        text = None if entry is None else root.text(entry, MAX_TEXT_BYTES, problems)
        spec = None if entry is None or text is None else Spec(text, entry.oid)
        return spec, tuple(problems)

    def _read_areas(self, place: Place) -> Areas:
        problems: list[Problem] = []
        areas: dict[AreaName, Area] = {}
        for entry in place.entries():
            if entry.name == ".spec":
                continue
            try:
                area = parse_area_file(entry.name)
            except InvalidName as error:
                problems.append(place.problem(entry, str(error)))
                continue
            text = place.text(entry, MAX_TEXT_BYTES, problems)
            if text is not None:
                areas[area] = Area(area, text, entry.oid)
        marker = place.entry(".spec")
        areas_from = None if marker is None else read_marker(place, marker, problems)
        return Areas(areas, areas_from, tuple(problems))

    def _read_ticketed(self, place: Place) -> Ticketed:
        problems: list[Problem] = []
        markers: dict[AreaName, Marker] = {}
        for entry in place.entries():
            try:
                area = parse_area_name(entry.name)
            except InvalidName as error:
                problems.append(place.problem(entry, str(error)))
                continue
            marker = read_marker(place, entry, problems)
            if marker is not None:
                markers[area] = marker
        return Ticketed(markers, tuple(problems))

    def _read_queue(self, merge: Place, pending: Place) -> Queue:
        problems: list[Problem] = []
        entries: dict[TicketId, QueueEntry] = {}
        highest = 0
        known, self._entries = self._entries, {}
        for file in pending.entries():
            highest = max(highest, leading_number(file.name.encode()))
            found = known.get(file) or _read_entry(pending, file)
            if isinstance(found, Problem):
                problems.append(found)
            elif found.ticket in entries:
                problems.append(pending.problem(file, f"ticket {found.ticket} has an entry already"))
            else:
                entries[found.ticket] = self._entries[file] = found
        named = _read_active(merge, problems)
        active = None if named is None else entries.get(named[1])
        if named is not None and (active is None or active.number != named[0]):
            active = None
            problems.append(Problem(ACTIVE, f"it names the entry {entry_name(*named)}, which is not there"))
        ordered = tuple(sorted(entries.values(), key=lambda entry: entry.number))
        return Queue(ordered, active, named and named[1], highest, tuple(problems))

    def _loader(self, state: TicketState, entry: TreeEntry) -> Callable[[Oid], Ticket]:
        if state is TicketState.DONE:
            return self._read_ticket
        ticket = self._parse(entry.oid)
        return lambda _oid: ticket

    def _parse(self, blob: Oid) -> Ticket:
        known = self._parsed.get(blob)
        if known is None:
            try:
                known = self._read_ticket(blob)
            except TicketUnreadable as error:
                known = error.with_traceback(None)
            self._parsed[blob] = known
            if len(self._parsed) > PARSED_TICKETS:
                self._parsed.popitem(last=False)
        else:
            self._parsed.move_to_end(blob)
        if isinstance(known, TicketUnreadable):
            raise known
        return known

    def _read_ticket(self, blob: Oid) -> Ticket:
        """Read without the memory: this may be called long after, from another thread."""
        try:
            return Ticket.parse(self._objects.blob(blob, MAX_TICKET_BYTES).decode())
        except UnicodeDecodeError as error:
            raise TicketUnreadable(f"it is not UTF-8, at byte {error.start}") from None
        except (TooLarge, ObjectMissing) as error:
            raise TicketUnreadable(str(error)) from None


def _claimed_twice(folders: Iterable[Folder]) -> Iterator[TicketId]:
    """The ids of which there are several files, in one of the folders or in two."""
    *smaller, largest = sorted(folders, key=lambda folder: len(folder.names))
    yield from largest.doubled
    for position, folder in enumerate(smaller):
        yield from folder.doubled
        others = [other.names for other in (*smaller[position + 1 :], largest)]
        yield from (ticket for ticket in folder.names if any(ticket in names for names in others))


def _read_entry(pending: Place, file: TreeEntry) -> QueueEntry | Problem:
    problems: list[Problem] = []
    text = pending.text(file, MAX_ENTRY_BYTES, problems)
    if text is None:
        return problems[0]
    try:
        entry = QueueEntry.parse(file.name.removesuffix(".md"), text)
        if file.name != f"{entry.name}.md":
            raise InvalidName(f"the entry of ticket {entry.ticket} belongs in {entry.path}")
    except ValueError as error:
        return pending.problem(file, str(error))
    return entry


def _read_active(merge: Place, problems: list[Problem]) -> tuple[int, TicketId] | None:
    file = merge.entry("active.md")
    text = None if file is None else merge.text(file, MAX_ENTRY_BYTES, problems)
    try:
        return None if text is None else parse_active(text)
    except ValueError as error:
        problems.append(Problem(ACTIVE, str(error)))
        return None
