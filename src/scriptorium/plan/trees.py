"""A tree of git's in pieces: the folder of done tickets has as many names as there ever were tickets, and a
commit changes one. Versions of a folder share the pieces that they have in common, so that neither changing
it nor finding out what has changed goes through the names that were not touched.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple, final

from pygit2.enums import FileMode

from scriptorium.plan.ids import Oid

FILE: Final = b"%o" % FileMode.BLOB
FOLDER: Final = b"%o" % FileMode.TREE

PIECE_ENTRIES: Final = 64
"""Of a tree that is read; a piece that grows to twice as many is halved. Small enough to parse for one name,
large enough that ten thousand names are 160 pieces."""

SMALL_PIECE_BYTES: Final = 1024
"""With pieces smaller than this on average, a tree is divided anew: other writers' changes leave scraps."""

_REGULAR: Final = frozenset({0o100644, 0o100755, 0o100664})
_ENTRY: Final = re.compile(rb"([0-7]+) ([^\0]*)\0(.{20})", re.DOTALL)
_PIECE: Final = re.compile(rb"(?:[0-7]+ [^\0]*\0.{20}){1,%d}+" % PIECE_ENTRIES, re.DOTALL)


class TreeDamaged(ValueError):
    """The bytes are not a tree object."""


class TreeEntry(NamedTuple):
    """One name in a tree, with escapes where it is not UTF-8."""

    name: str
    mode: int
    oid: Oid

    @property
    def is_file(self) -> bool:
        """A regular file: neither a folder, nor a symbolic link, nor a submodule."""
        return self.mode in _REGULAR

    @property
    def is_folder(self) -> bool:
        """A tree."""
        return self.mode == FileMode.TREE

    @property
    def kind(self) -> str:
        """What it is, for a message."""
        match self.mode:
            case FileMode.TREE:
                return "a folder"
            case FileMode.LINK:
                return "a symbolic link"
            case FileMode.COMMIT:
                return "a submodule"
            case mode if mode in _REGULAR:
                return "a file"
            case mode:
                return f"an entry of mode {mode:o}"


class RawEntry(NamedTuple):
    """One name in a tree as git stores it: the mode in octal, the oid in binary."""

    mode: bytes
    name: bytes
    oid: bytes

    @property
    def is_folder(self) -> bool:
        """A tree."""
        return self.mode == FOLDER or self.mode.lstrip(b"0") == FOLDER

    @property
    def key(self) -> bytes:
        """By what git sorts: a folder as if its name ended in a slash."""
        return self.name if self.mode == FILE or not self.is_folder else self.name + b"/"

    def decoded(self) -> TreeEntry:
        """The entry for those who read it."""
        return TreeEntry(
            self.name.decode("utf-8", "backslashreplace"), int(self.mode, 8), Oid(self.oid.hex())
        )


class Piece:
    """Some entries that follow each other; never none. What is asked of it once is remembered."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @classmethod
    def of(cls, entries: list[RawEntry]) -> Piece:
        """Entries that are in order."""
        piece = cls(b"".join([b"%s %s\0%s" % entry for entry in entries]))
        piece.entries, piece.is_ordered = tuple(entries), True
        return piece

    @cached_property
    def entries(self) -> tuple[RawEntry, ...]:
        return tuple(map(RawEntry._make, _ENTRY.findall(self.raw)))

    @cached_property
    def by_name(self) -> dict[bytes, RawEntry]:
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def first(self) -> bytes:
        return self.entries[0].key

    @cached_property
    def last(self) -> bytes:
        return self.entries[-1].key

    @cached_property
    def is_ordered(self) -> bool:
        return all(one.key < other.key for one, other in pairwise(self.entries))


@final
class Tree:
    """The entries of one tree object, in its order. Immutable; make one with `parse` or from another."""

    def __init__(self, pieces: tuple[Piece, ...] = ()) -> None:
        self._pieces = pieces

    @classmethod
    def parse(cls, raw: bytes, like: Tree | None = None) -> Tree:
        """The tree that `raw` is. With `like`, an earlier version of it, only what differs is looked at.

        Raises:
            TreeDamaged: `raw` is not a tree object.
        """
        if like is None or len(like._pieces) < 2:
            return cls(_divide(raw))
        ours, start = [], 0
        for piece in like._pieces:
            if not raw.startswith(piece.raw, start):
                break
            ours.append(piece)
            start += len(piece.raw)
        rest, end = [], len(raw)
        for piece in reversed(like._pieces[len(ours) :]):
            if end - len(piece.raw) < start or not raw.endswith(piece.raw, start, end):
                break
            rest.append(piece)
            end -= len(piece.raw)
        try:
            middle = _divide(raw[start:end])
        except TreeDamaged:
            # The bytes at the end are the same by chance, and do not begin with an entry here.
            return cls(_divide(raw))
        pieces = (*ours, *middle, *reversed(rest))
        return cls(pieces if len(pieces) * SMALL_PIECE_BYTES <= len(raw) else _divide(raw))

    @property
    def raw(self) -> bytes:
        """The tree object."""
        return b"".join([piece.raw for piece in self._pieces])

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The entries, some at a time."""
        return self._pieces

    def __iter__(self) -> Iterator[TreeEntry]:
        return (entry.decoded() for entry in self.raw_entries())

    def raw_entries(self) -> Iterator[RawEntry]:
        """Every entry, in order."""
        return (entry for piece in self._pieces for entry in piece.entries)

    @cached_property
    def is_ordered(self) -> bool:
        """Whether the entries are in the order of git, each name once: as git and libgit2 write them."""
        return all(piece.is_ordered for piece in self._pieces) and all(
            one.last < other.first for one, other in pairwise(self._pieces)
        )

    def get(self, name: bytes) -> RawEntry | None:
        """The entry of that name; the last, should there be several."""
        if len(self._pieces) == 1:
            return self._pieces[0].by_name.get(name)
        if len(self._pieces) > 1 and self.is_ordered:
            found = (self._pieces[at].by_name.get(name) for at in self._places(name))
        else:
            found = (piece.by_name.get(name) for piece in reversed(self._pieces))
        return next((entry for entry in found if entry is not None), None)

    def edited(self, changes: Mapping[bytes, RawEntry | None]) -> Tree:
        """The tree with each name standing for its entry in `changes`, or gone (None); in git's order."""
        if not self.is_ordered:
            by_name = {entry.name: entry for entry in self.raw_entries()}
            ordered = Tree(tuple(_pieces_of(sorted(by_name.values(), key=_key))))
            ordered.is_ordered = True
            return ordered.edited(changes)
        within = {0: changes} if len(self._pieces) == 1 else self._by_piece(changes)
        pieces: list[Piece] = []
        done = 0
        for at, inner in sorted(within.items(), key=_number):
            there = self._pieces[at].by_name if self._pieces else {}
            entries = [entry for entry in {**there, **inner}.values() if entry is not None]
            pieces += (*self._pieces[done:at], *_pieces_of(sorted(entries, key=_key)))
            done = at + 1
        edited = Tree((*pieces, *self._pieces[done:]))
        edited.is_ordered = True
        return edited

    def _by_piece(
        self, changes: Mapping[bytes, RawEntry | None]
    ) -> Mapping[int, Mapping[bytes, RawEntry | None]]:
        """What `changes` are in each piece."""
        within: dict[int, dict[bytes, RawEntry | None]] = {}
        for name, entry in changes.items():
            for at in self._places(name):
                within.setdefault(at, {})[name] = None
            if entry is not None:
                within.setdefault(self._place(entry.key), {})[name] = entry
        return within

    def changes_since(self, earlier: Tree) -> tuple[list[RawEntry], list[RawEntry]]:
        """The entries of `earlier` that are not here, and those that are only here. Both must be ordered."""
        ours, theirs = self._pieces, earlier._pieces
        shortest = min(len(ours), len(theirs))
        start = 0
        while start < shortest and _same(ours[start], theirs[start]):
            start += 1
        end = 0
        while end < shortest - start and _same(ours[-1 - end], theirs[-1 - end]):
            end += 1
        after = {entry for piece in ours[start : len(ours) - end] for entry in piece.entries}
        before = {entry for piece in theirs[start : len(theirs) - end] for entry in piece.entries}
        return sorted(before - after, key=_key), sorted(after - before, key=_key)

    def _places(self, name: bytes) -> set[int]:
        """The pieces in which that name may be: as a file, or as a folder."""
        return {self._place(name), self._place(name + b"/")} if self._pieces else set()

    def _place(self, key: bytes) -> int:
        """The piece in which an entry with that key is, or belongs."""
        return max(bisect_right(self._pieces, key, key=_first) - 1, 0)


def _divide(raw: bytes) -> tuple[Piece, ...]:
    pieces = _PIECE.findall(raw)
    if sum(map(len, pieces)) != len(raw):
        raise TreeDamaged("it is not a tree object")
    return tuple(map(Piece, pieces))


def _pieces_of(entries: list[RawEntry]) -> Iterator[Piece]:
    """`entries`, as they are in one piece that has been changed, in as many as they need."""
    step = len(entries) if len(entries) < 2 * PIECE_ENTRIES else PIECE_ENTRIES
    for start in range(0, len(entries), step or 1):
        yield Piece.of(entries[start : start + step])


def _same(one: Piece, other: Piece) -> bool:
    return one is other or one.raw == other.raw


def _number(item: tuple[int, object]) -> int:
    return item[0]


def _first(piece: Piece) -> bytes:
    return piece.first


def _key(entry: RawEntry) -> bytes:
    return entry.key
