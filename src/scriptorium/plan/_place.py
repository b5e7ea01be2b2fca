"""One folder of a tree that is being read into a snapshot, and the memory of what was read before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from scriptorium.plan.area import Marker
from scriptorium.plan.ids import InvalidName, Oid, TicketId
from scriptorium.plan.layout import KEEP
from scriptorium.plan.objects import ObjectMissing, Objects, TooLarge
from scriptorium.plan.snapshot import Problem
from scriptorium.plan.trees import Tree, TreeEntry

MAX_MARKER_BYTES: Final = 1 << 10

T = TypeVar("T")


class Place:
    """One folder of the tree that is being read; one that is missing has no entries."""

    def __init__(self, objects: Objects, tree: Oid | None, path: str, problems: list[Problem]) -> None:
        self.tree = tree
        self.path = path
        self._objects = objects
        self._problems = problems
        self._read: Tree | None = None

    def entry(self, name: str) -> TreeEntry | None:
        """The entry of that name."""
        found = self._entries().get(name.encode())
        return None if found is None else found.decoded()

    def entries(self) -> Iterator[TreeEntry]:
        """Every entry but the `.gitkeep`."""
        return (entry for entry in self._entries() if entry.name != KEEP)

    def folder(self, name: str) -> Place:
        """The folder of that name inside this one."""
        found = self._entries().get(name.encode())
        tree = None
        if found is not None and found.is_folder:
            tree = Oid(found.oid.hex())
        elif found is not None:
            entry = found.decoded()
            self._problems.append(self.problem(entry, f"it is {entry.kind}, where a folder belongs"))
        return Place(self._objects, tree, f"{self.path}{name}/", self._problems)

    def problem(self, entry: TreeEntry, reason: str, ticket: TicketId | None = None) -> Problem:
        """A problem with one entry."""
        return Problem(f"{self.path}{entry.name}", reason, ticket)

    def text(self, entry: TreeEntry, limit: int, problems: list[Problem]) -> str | None:
        """The text of a file; None, and a problem, when it cannot be read."""
        if not entry.is_file:
            problems.append(self.problem(entry, f"it is {entry.kind}, not a file"))
            return None
        try:
            return self._objects.blob(entry.oid, limit).decode()
        except UnicodeDecodeError as error:
            problems.append(self.problem(entry, f"it is not UTF-8, at byte {error.start}"))
        except (TooLarge, ObjectMissing) as error:
            problems.append(self.problem(entry, str(error)))
        return None

    def _entries(self) -> Tree:
        # Only when asked: most folders have not changed, and then their oid is all that is looked at.
        if self._read is None:
            self._read = Tree() if self.tree is None else self._objects.tree(self.tree)
        return self._read


class Memo(Generic[T]):
    """The last value that was built, and what it was built from."""

    def __init__(self) -> None:
        self._last: tuple[object, T] | None = None

    @property
    def last(self) -> T | None:
        """The last value."""
        return None if self._last is None else self._last[1]

    def get(self, source: object, build: Callable[[], T]) -> T:
        """The last value if `source` has not changed, else a new one."""
        if self._last is None or self._last[0] != source:
            self._last = (source, build())
        return self._last[1]


def read_marker(place: Place, entry: TreeEntry, problems: list[Problem]) -> Marker | None:
    """The marker in a file; None, and a problem, when it cannot be read."""
    text = place.text(entry, MAX_MARKER_BYTES, problems)
    try:
        return None if text is None else Marker.parse(text)
    except InvalidName as error:
        problems.append(place.problem(entry, str(error)))
        return None
