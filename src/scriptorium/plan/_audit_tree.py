"""What is wrong with the plan as it is now: its folders and files, its tickets, its queue, its markers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from typing import Final

from attrs import evolve

from scriptorium.plan._audit_cycles import cycles
from scriptorium.plan._audit_rules import Fault
from scriptorium.plan.ids import AreaName, InvalidName, Oid, TicketId
from scriptorium.plan.invariants import wrong_entries
from scriptorium.plan.layout import (
    ACTIVE,
    AREAS,
    AREAS_FROM,
    KEEP,
    KEPT_FOLDERS,
    PENDING,
    SPEC,
    TICKETED,
    TicketState,
    area_path,
    parse_area_file,
    parse_entry_name,
    parse_ticket_name,
    ticketed_path,
)
from scriptorium.plan.objects import Objects, TreeEntry
from scriptorium.plan.recovery import is_recovery
from scriptorium.plan.snapshot import Problem, Snapshot, TicketFile, said_of_copies
from scriptorium.plan.ticket import Ticket, TicketUnreadable

_FOLDERS: Final = (
    AREAS,
    "tickets",
    TICKETED,
    *(s.folder for s in TicketState),
    "queue",
    "queue/merge",
    PENDING,
)
_KNOWN: Final = {
    "": {SPEC, AREAS, "tickets", "queue", "decisions"},
    "tickets": {TICKETED.rpartition("/")[2], *TicketState},
    "queue": {"merge"},
    "queue/merge": {PENDING.rpartition("/")[2], ACTIVE.rpartition("/")[2]},
}
"""The names that belong in the folders that hold folders."""


def faults_of_tree(objects: Objects, snapshot: Snapshot, *, done_too: bool) -> Iterator[Fault]:
    """Everything that the tree of `snapshot`, which `objects` has, breaks a rule with.

    The texts of done tickets, of which there may be ten thousand, are read only if `done_too`.
    Raises `ObjectMissing`.
    """
    folders = _Folders(objects, snapshot.tree)
    yield from _layout(folders)
    yield from _kept(folders, snapshot)
    blocked = {path for path in _FOLDERS if folders.is_blocked(path)}
    for problem in _problems(snapshot):
        if problem.path not in blocked:
            yield Fault(_rule_of(problem.path), problem.reason, problem.path)
    for ticket, paths in sorted(snapshot.duplicates.items()):
        said = said_of_copies(ticket, paths)
        for path in paths:
            yield Fault("duplicate-ticket", said, path)
    for violation in sorted(wrong_entries(snapshot)):
        yield Fault("queue-entry", violation.rule, violation.path)
    yield from _tickets(snapshot, done_too=done_too)
    yield from _markers(snapshot)


def stops_all_work(fault: Fault) -> bool:
    """Whether nothing can be committed to a plan with this fault: a file is where a folder belongs."""
    return fault.rule == "folder-blocked" and fault.path in _FOLDERS


class _Folders:
    """The folders of the layout, read as they are asked for."""

    def __init__(self, objects: Objects, root: Oid) -> None:
        self._objects = objects
        self._root = TreeEntry("", 0o40000, root)
        self._read: dict[str, Mapping[str, TreeEntry]] = {}

    def entry(self, path: str) -> TreeEntry | None:
        """What is at the path."""
        if not path:
            return self._root
        folder, _, name = path.rpartition("/")
        return self.entries(folder).get(name)

    def entries(self, path: str) -> Mapping[str, TreeEntry]:
        """What is in the folder at the path; nothing when there is none."""
        if path not in self._read:
            entry = self.entry(path)
            found = self._objects.tree(entry.oid) if entry is not None and entry.is_folder else ()
            self._read[path] = {entry.name: entry for entry in found}
        return self._read[path]

    def is_blocked(self, path: str) -> bool:
        """Whether something that is no folder is at the path."""
        entry = self.entry(path)
        return entry is not None and not entry.is_folder


def _layout(folders: _Folders) -> Iterator[Fault]:
    for path in (*_FOLDERS, "decisions"):
        entry = folders.entry(path)
        if entry is not None and not entry.is_folder:
            yield Fault("folder-blocked", f"it is {entry.kind}, where a folder belongs: move it away", path)
    for folder, known in _KNOWN.items():
        for name, entry in folders.entries(folder).items():
            if name not in known and name != KEEP:
                path = f"{folder}/{name}" if folder else name
                what = f"it is {entry.kind} that is no part of the plan, and is not looked at"
                yield Fault("outside-layout", what, path, note=not folder)


def _kept(folders: _Folders, snapshot: Snapshot) -> Iterator[Fault]:
    kept = {state.folder: folder.kept for state, folder in snapshot.folders.items()}
    for path in KEPT_FOLDERS:
        if not folders.is_blocked(path) and not (kept.get(path) or KEEP in _names(folders, path, kept)):
            yield Fault("folder-kept", f"its {KEEP} is missing", path)


def _names(folders: _Folders, path: str, kept: Mapping[str, bool]) -> Mapping[str, TreeEntry]:
    # What the snapshot knows already is not read again: done tickets may be ten thousand.
    return {} if path in kept else folders.entries(path)


def missing_keeps(objects: Objects, snapshot: Snapshot) -> tuple[str, ...]:
    """The folders of the layout whose `.gitkeep` is missing, and can be put there."""
    return tuple(fault.path or "" for fault in _kept(_Folders(objects, snapshot.tree), snapshot))


def unmarked_areas(snapshot: Snapshot, marked: Collection[str]) -> Iterator[Fault]:
    """The areas whose marker is gone, of those, `marked`, for which scriptorium has written one."""
    for area in sorted(snapshot.areas.keys() - snapshot.ticketed.keys()):
        path = ticketed_path(area)
        if area in marked and snapshot.problem_at(path) is None:
            said = f"the marker of area {area} is gone: its text, which had its tickets, is ticketed again"
            yield Fault("area-unmarked", said, path)


def _problems(snapshot: Snapshot) -> Iterator[Problem]:
    """The problems but for duplicates, of which more can be said."""
    doubled = {path for paths in snapshot.duplicates.values() for path in paths}
    yield from (problem for problem in snapshot.problems if problem.path not in doubled)
    for folder in snapshot.folders.values():
        yield from (problem for problem in folder.problems if problem.path in doubled)


def _rule_of(path: str) -> str:
    """What is broken when the file at this path is not understood: its name, or what is in it."""
    folder, _, name = path.rpartition("/")
    try:
        if folder in {state.folder for state in TicketState}:
            parse_ticket_name(name)
        elif folder == AREAS and name != AREAS_FROM.rpartition("/")[2]:
            parse_area_file(name)
        elif folder == PENDING:
            parse_entry_name(name.removesuffix(".md"))
        elif path == ACTIVE:
            return "active-entry"
    except InvalidName:
        return "bad-name"
    return "unreadable"


def _tickets(snapshot: Snapshot, *, done_too: bool) -> Iterator[Fault]:
    there = {ticket for folder in snapshot.folders.values() for ticket in folder.names}
    waits: dict[TicketId, tuple[TicketId, ...]] = {}
    paths: dict[TicketId, str] = {}
    working: list[tuple[AreaName, TicketFile]] = []
    for state in TicketState:
        if state is TicketState.DONE and not done_too:
            continue
        for file in snapshot.in_state(state):
            try:
                # Of a copy, so that no text is kept once it has been looked at.
                ticket = evolve(file).ticket
            except TicketUnreadable as error:
                yield Fault("unreadable", str(error), file.path)
                continue
            if state is TicketState.DONE:
                continue
            yield from _fields(snapshot, file, ticket, there)
            if state is TicketState.IN_PROGRESS:
                if not is_recovery(file.slug):
                    working.append((ticket.area, file))
            else:
                waits[file.id], paths[file.id] = ticket.depends, file.path
    for cycle in cycles(waits):
        said = f"tickets {', '.join(cycle)} wait for each other" if cycle[1:] else "it waits for itself"
        yield Fault("depends-cycle", said, paths[cycle[0]])
    yield from _busy_twice(working)


def _fields(snapshot: Snapshot, file: TicketFile, ticket: Ticket, there: set[TicketId]) -> Iterator[Fault]:
    for name in ticket.depends:
        if name not in there:
            yield Fault("depends-missing", f"it depends on ticket {name}, which is not there", file.path)
    if ticket.area not in snapshot.areas and not is_recovery(file.slug):
        said = f"its area {ticket.area} is not there: it is worked on without the area's text"
        yield Fault("area-gone", said, file.path, note=True)
    if file.state is TicketState.IN_PROGRESS and ticket.branch is None:
        said = f"it was not assigned by scriptorium: work on it is on scriptorium/ticket-{file.id}"
        yield Fault("no-branch", said, file.path, note=True)


def _busy_twice(working: list[tuple[AreaName, TicketFile]]) -> Iterator[Fault]:
    for area, group in groupby(sorted(working, key=lambda item: item[0]), key=lambda item: item[0]):
        files = [file for _, file in group]
        if files[1:]:
            ids = ", ".join(file.id for file in files)
            yield Fault(
                "area-twice", f"area {area} has several tickets in progress: {ids}", files[1].path, True
            )


def _markers(snapshot: Snapshot) -> Iterator[Fault]:
    if snapshot.areas and snapshot.areas_from is None and snapshot.problem_at(AREAS_FROM) is None:
        said = "there are areas without it: the architect makes them anew from the spec"
        yield Fault("areas-unmarked", said, AREAS_FROM, note=True)
    for area in sorted(snapshot.ticketed.keys() - snapshot.areas.keys()):
        if snapshot.problem_at(area_path(area)) is None:
            said = f"area {area} is gone; its marker keeps the same text from being ticketed twice"
            yield Fault("marker-without-area", said, ticketed_path(area), note=True)
