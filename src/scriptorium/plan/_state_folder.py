"""Reads one state folder, again and again: each version from the one before it and what differs, so that a
commit costs what it changes, however many tickets are there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

from attrs import frozen

from scriptorium.plan._files import Files, Named, Paths
from scriptorium.plan.ids import InvalidName, Oid, Slug, TicketId, counted, ticket_number
from scriptorium.plan.layout import KEEP, TicketState, parse_ticket_name
from scriptorium.plan.objects import Objects
from scriptorium.plan.snapshot import Folder, Problem, TicketFile
from scriptorium.plan.ticket import Ticket, TicketUnreadable
from scriptorium.plan.trees import RawEntry, Tree, TreeEntry

Load = Callable[[TicketState, TreeEntry], Callable[[Oid], Ticket]]
"""How the text of an entry is had when it is asked for; raises `TicketUnreadable` when it cannot be."""

_KEEP: Final = KEEP.encode()
_NUMBER = re.compile(rb"[0-9]{4,9}(?![0-9])")

# A ticket's entry as `parse_ticket_name` and `is_file` would have it, but all at once and in C: ten thousand
# names one by one take longer than `status` may.
_ENTRY: Final = r"100644 ([0-9]{4}|[1-9][0-9]{4,8})-((?![0-9]+\.)[a-z0-9][a-z0-9-]{0,60})\.md\0(.{20})"
_PLAIN_ENTRY = re.compile(_ENTRY, re.DOTALL)
_PLAIN_PIECE = re.compile(rf"(?:100644 \.gitkeep\0.{{20}})?(?:{_ENTRY})*+", re.DOTALL)


class _Seen(NamedTuple):
    """What one entry is: a ticket's file, or the problem with it; perhaps of a ticket that its name names."""

    ticket: TicketId | None
    file: TicketFile | None
    problem: Problem | None


@frozen(eq=False)
class _Contents:
    """A version of the folder. `highest` is the highest number in any name; None when it is not known."""

    tree: Tree
    files: Files
    odd: Mapping[TicketId, tuple[str, ...]]
    problems: Mapping[bytes, Problem]
    highest: int | None

    @property
    def paths(self) -> Paths:
        """The paths of every ticket's files."""
        return Paths(self.files, self.odd)

    def find_highest(self) -> int:
        """The highest number in any name, looked for if need be."""
        if self.highest is not None:
            return self.highest
        return max(_highest_of(self.paths), *map(leading_number, self.problems), 0)


class StateFolder:
    """The folder of one state, as it was read last. For one thread at a time."""

    def __init__(self, state: TicketState, objects: Objects, load: Load) -> None:
        self._state = state
        self._objects = objects
        self._load = load
        self._contents: _Contents | None = None
        self._folder: Folder | None = None

    def read(self, oid: Oid | None) -> tuple[Folder, Collection[TicketId] | None]:
        """The folder whose tree is `oid`, and the tickets that differ from the last time: None for all."""
        last = self._contents
        if self._folder is not None and self._folder.tree == oid:
            return self._folder, ()
        tree = Tree() if oid is None else self._objects.tree(oid, None if last is None else last.tree)
        touched: Collection[TicketId] | None = None
        if last is not None and last.tree.is_ordered and tree.is_ordered:
            contents, touched = self._changed(last, tree, *tree.changes_since(last.tree))
        else:
            contents = self._all(tree)
        folder = self._facing(oid, contents)
        self._contents, self._folder = contents, folder
        return folder, touched

    @staticmethod
    def _facing(oid: Oid | None, contents: _Contents) -> Folder:
        return Folder(
            tree=oid,
            tickets=contents.files,
            names=contents.paths,
            problems=tuple(contents.problems.values()),
            doubled=frozenset(ticket for ticket, paths in contents.odd.items() if len(paths) > 1),
            is_kept=lambda: contents.tree.get(_KEEP) is not None,
            find_highest=contents.find_highest,
        )

    def _all(self, tree: Tree) -> _Contents:
        """What is in a folder, from nothing."""
        shared: dict[TicketId, TicketFile | Named] = {}
        rest: list[RawEntry] = []
        plain = 0
        for piece in tree.pieces:
            text = piece.raw.decode("latin-1")
            # Any other state's tickets are read now, one by one.
            if self._state is TicketState.DONE and _PLAIN_PIECE.fullmatch(text):
                found = _PLAIN_ENTRY.findall(text)
                shared.update((TicketId(named[0]), named) for named in found)
                plain += len(found)
            else:
                rest += piece.entries
        if plain != len(shared):  # an id twice
            shared, rest = {}, list(tree.raw_entries())
        highest = _highest_of(shared)
        nothing = _Contents(tree, Files(self._make, shared), {}, {}, highest)
        by_name = {entry.name: entry for entry in rest}
        return self._changed(nothing, tree, (), by_name.values())[0]

    def _changed(
        self, before: _Contents, tree: Tree, removed: Collection[RawEntry], added: Collection[RawEntry]
    ) -> tuple[_Contents, Collection[TicketId]]:
        """What is in the folder without the entries that went and with those that came."""
        paths, problems = before.paths, dict(before.problems)
        names: dict[TicketId, set[bytes]] = {}

        def names_of(ticket: TicketId) -> set[bytes]:
            if ticket not in names:
                names[ticket] = {path.rpartition("/")[2].encode() for path in paths.get(ticket, ())}
            return names[ticket]

        for entry in removed:
            problems.pop(entry.name, None)
            ticket = _ticket_in(entry.name)
            if ticket is not None:
                names_of(ticket).discard(entry.name)
        seen = {entry.name: self._look(entry) for entry in added if entry.name != _KEEP}
        for name, found in seen.items():
            if found.problem is not None:
                problems[name] = found.problem
            if found.ticket is not None:
                names_of(found.ticket).add(name)
        files, odd = self._settle(before, tree, names, seen)
        highest = _highest(before.highest, removed, added)
        return _Contents(tree, files, odd, problems, highest), names.keys()

    def _settle(
        self,
        before: _Contents,
        tree: Tree,
        names: Mapping[TicketId, Collection[bytes]],
        seen: Mapping[bytes, _Seen],
    ) -> tuple[Files, Mapping[TicketId, tuple[str, ...]]]:
        """The file of each ticket in `names`, and the paths of those that are not just one readable file."""
        files: dict[TicketId, TicketFile | None] = {}
        odd = dict(before.odd)
        for ticket, unsorted in names.items():
            there = sorted(unsorted)
            found = [seen[name] if name in seen else self._look(tree.get(name)) for name in there]
            readable = [each.file for each in found if each.file is not None]
            files[ticket] = readable[-1] if readable else None
            odd.pop(ticket, None)
            if there and (len(there) > 1 or not readable):
                odd[ticket] = tuple(f"{self._state.folder}/{name.decode()}" for name in there)
        return before.files.changed(files), odd

    def _look(self, raw: RawEntry | None) -> _Seen:
        if raw is None:
            return _Seen(None, None, None)
        entry = raw.decoded()
        path = f"{self._state.folder}/{entry.name}"
        try:
            ticket, slug = parse_ticket_name(entry.name)
        except InvalidName as error:
            # Not a ticket, but perhaps a number that somebody used: it must not be given out again.
            return _Seen(None, None, Problem(path, str(error)))
        if not entry.is_file:
            return _Seen(ticket, None, Problem(path, f"it is {entry.kind}, not a file", ticket))
        try:
            load = self._load(self._state, entry)
        except TicketUnreadable as error:
            return _Seen(ticket, None, Problem(path, str(error), ticket))
        return _Seen(ticket, TicketFile(ticket, slug, self._state, entry.oid, load), None)

    def _make(self, named: Named) -> TicketFile:
        ticket, slug, binary = named
        entry = RawEntry(b"100644", b"", binary.encode("latin-1")).decoded()
        load = self._load(self._state, entry)
        return TicketFile(TicketId(ticket), Slug(slug), self._state, entry.oid, load)


def leading_number(name: bytes) -> int:
    """The number that a name begins with, of four to nine digits; 0 for none, or one that does not count."""
    match = _NUMBER.match(name)
    return 0 if match is None else counted(int(match[0]))


def _highest_of(tickets: Iterable[TicketId]) -> int:
    highest = max(map(ticket_number, tickets), default=0)
    return counted(highest) or max((counted(ticket_number(ticket)) for ticket in tickets), default=0)


def _ticket_in(name: bytes) -> TicketId | None:
    try:
        return parse_ticket_name(name.decode("utf-8", "backslashreplace"))[0]
    except InvalidName:
        return None


def _highest(before: int | None, removed: Iterable[RawEntry], added: Iterable[RawEntry]) -> int | None:
    """The highest number after a change; None when the highest went and no higher one came."""
    came = max((leading_number(entry.name) for entry in added), default=0)
    went = max((leading_number(entry.name) for entry in removed), default=0)
    if before is None:
        return None
    return max(before, came) if went < before or came >= before else None
