"""Reads snapshots, incrementally: a folder whose tree has not changed is not looked at again, a ticket whose
blob has not changed is not parsed again, wherever it has moved.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Final

from attrs import define, field

from scriptorium.plan._place import Memo, Place, read_marker
from scriptorium.plan.area import Area, Marker
from scriptorium.plan.ids import AreaName, InvalidName, Oid, TicketId, parse_area_name, ticket_number
from scriptorium.plan.layout import ACTIVE, KEEP, TicketState, entry_name, parse_area_file, parse_ticket_name
from scriptorium.plan.objects import ObjectMissing, Objects, TooLarge, TreeEntry
from scriptorium.plan.queue_entry import MAX_ENTRY_BYTES, QueueEntry, parse_active
from scriptorium.plan.snapshot import Areas, Folder, Numbers, Problem, Queue, Snapshot, Ticketed, TicketFile
from scriptorium.plan.spec import Spec
from scriptorium.plan.ticket import MAX_TICKET_BYTES, Ticket, TicketUnreadable

MAX_TEXT_BYTES: Final = 8 << 20
"""A spec or an area larger than this is set aside."""

PARSED_TICKETS: Final = 4096
"""How many parsed tickets are remembered: several times what is open and in progress at once."""

_NUMBER = re.compile(r"[0-9]{4,9}(?![0-9])")


class SnapshotReader:
    """Reads snapshots from `objects`, each using what the last one read. For one thread at a time."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._parsed: OrderedDict[Oid, Ticket | TicketUnreadable] = OrderedDict()
        self._folders = {state: Memo[Folder]() for state in TicketState}
        self._areas = Memo[Areas]()
        self._ticketed = Memo[Ticketed]()
        self._queue = Memo[Queue]()
        self._spec = Memo[tuple[Spec | None, tuple[Problem, ...]]]()

    def read(self, commit: Oid, tree: Oid, numbers: Callable[[], Numbers]) -> Snapshot:
        """The snapshot of the plan at `commit`, whose tree is `tree`. Raises `ObjectMissing`."""
        misplaced: list[Problem] = []
        root = Place(self._objects, tree, "", misplaced)
        tickets = root.folder("tickets")
        merge = root.folder("queue").folder("merge")
        folders = {
            state: self._folders[state].get(place.tree, partial(self._state_folder, state, place))
            for state, place in ((state, tickets.folder(state)) for state in TicketState)
        }
        areas, ticketed, pending = root.folder("areas"), tickets.folder(".areas"), merge.folder("pending")
        spec, spec_problems = self._spec.get(root.entry("spec.md"), lambda: self._read_spec(root))
        return Snapshot(
            commit=commit,
            tree=tree,
            spec=spec,
            folders=folders,
            areas=self._areas.get(areas.tree, lambda: self._read_areas(areas)),
            ticketed=self._ticketed.get(ticketed.tree, lambda: self._read_ticketed(ticketed)),
            queue=self._queue.get(merge.tree, lambda: self._read_queue(merge, pending)),
            misplaced=(*misplaced, *spec_problems),
            numbers=numbers,
        )

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
        for file in pending.entries():
            highest = max(highest, _leading_number(file.name))
            text = pending.text(file, MAX_ENTRY_BYTES, problems)
            if text is None:
                continue
            try:
                entry = QueueEntry.parse(file.name.removesuffix(".md"), text)
                if file.name != f"{entry.name}.md":
                    raise InvalidName(f"the entry of ticket {entry.ticket} belongs in {entry.path}")
                if entry.ticket in entries:
                    raise InvalidName(f"ticket {entry.ticket} has an entry already")
            except ValueError as error:
                problems.append(pending.problem(file, str(error)))
                continue
            entries[entry.ticket] = entry
        named = _read_active(merge, problems)
        active = None if named is None else entries.get(named[1])
        if named is not None and (active is None or active.number != named[0]):
            active = None
            problems.append(Problem(ACTIVE, f"it names the entry {entry_name(*named)}, which is not there"))
        ordered = tuple(sorted(entries.values(), key=lambda entry: entry.number))
        return Queue(ordered, active, named and named[1], highest, tuple(problems))

    def _state_folder(self, state: TicketState, place: Place) -> Folder:
        before = self._folders[state].last
        known = {} if before is None else {file.path: file for file in before.tickets.values()}
        found = _Found()
        for entry in place.entries():
            path = f"{place.path}{entry.name}"
            file = known.get(path)
            if file is not None and file.blob == entry.oid and entry.is_file:
                found.add(file.id, path, file)
                continue
            try:
                ticket, slug = parse_ticket_name(entry.name)
            except InvalidName as error:
                # Not a ticket, but a number that somebody used: it must not be given out again.
                found.highest = max(found.highest, _leading_number(entry.name))
                found.problems.append(Problem(path, str(error)))
                continue
            try:
                load = self._loader(state, entry)
            except TicketUnreadable as error:
                found.add(ticket, path, None)
                found.problems.append(Problem(path, str(error), ticket))
            else:
                found.add(ticket, path, TicketFile(ticket, slug, state, entry.oid, load))
        return found.folder(place)

    def _loader(self, state: TicketState, entry: TreeEntry) -> Callable[[Oid], Ticket]:
        if not entry.is_file:
            raise TicketUnreadable(f"it is {entry.kind}, not a file")
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


@define(eq=False, repr=False)
class _Found:
    """What has been found in a state folder so far."""

    tickets: dict[TicketId, TicketFile] = field(factory=dict)
    names: dict[TicketId, tuple[str, ...]] = field(factory=dict)
    doubled: set[TicketId] = field(factory=set)
    problems: list[Problem] = field(factory=list)
    highest: int = 0

    def add(self, ticket: TicketId, path: str, file: TicketFile | None) -> None:
        """A file with a ticket's name; `file` is None when it cannot be read."""
        if ticket in self.names:
            self.doubled.add(ticket)
        self.names[ticket] = (*self.names.get(ticket, ()), path)
        self.highest = max(self.highest, ticket_number(ticket))
        if file is not None:
            self.tickets[ticket] = file

    def folder(self, place: Place) -> Folder:
        """All of it."""
        doubled, problems = frozenset(self.doubled), tuple(self.problems)
        kept = place.entry(KEEP) is not None
        return Folder(place.tree, self.tickets, self.names, problems, doubled, self.highest, kept)


def _read_active(merge: Place, problems: list[Problem]) -> tuple[int, TicketId] | None:
    file = merge.entry("active.md")
    text = None if file is None else merge.text(file, MAX_ENTRY_BYTES, problems)
    try:
        return None if text is None else parse_active(text)
    except ValueError as error:
        problems.append(Problem(ACTIVE, str(error)))
        return None


def _leading_number(name: str) -> int:
    match = _NUMBER.match(name)
    return 0 if match is None else int(match[0])
