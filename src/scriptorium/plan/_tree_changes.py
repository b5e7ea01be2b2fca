"""What differs between two trees of the plan, file by file, without reading a blob.

The folder of done tickets has as many names as there ever were tickets, and each commit changes a few. So
what two versions of a folder have in common is skipped by comparing bytes, and only what lies between is
parsed: one commit costs as much as it changes, and a memory copy of the folders that it changes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from attrs import frozen

from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import AREAS, KEPT_FOLDERS, TICKETED
from scriptorium.plan.objects import GitObjects, ObjectMissing

Value: TypeAlias = bytes
"""What a name stands for: its mode in octal, a space, and the oid in binary."""

_LOOKED_INTO: Final = frozenset({*KEPT_FOLDERS, AREAS, TICKETED, "tickets", "queue", "queue/merge"})
"""Any other folder is a name like that of a file: nothing in it is the plan's, and it may be of any size."""

_TREE: Final = b"40000 "
_OID_BYTES: Final = 20


class Change(NamedTuple):
    """What a path stood for before and after; None where there was, or is, nothing."""

    before: Value | None
    after: Value | None

    @property
    def word(self) -> str:
        """`added`, `removed` or `modified`."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "modified"


@frozen(eq=False)
class _Folder:
    """A tree as git stores it, and where in it each entry starts."""

    raw: bytes
    starts: list[int]

    def entries(self, first: int, last: int) -> dict[bytes, Value]:
        """What the entries number `first` to `last` (exclusive) say, by name."""
        bounds = [*self.starts[first:last], self.starts[last] if last < len(self.starts) else len(self.raw)]
        return dict(_entry(self.raw, start, end) for start, end in pairwise(bounds))


_EMPTY: Final = _Folder(b"", [])


class TreeChanges:
    """Compares trees, each best with the one that was compared last: of every folder, one version is kept."""

    def __init__(self, objects: GitObjects) -> None:
        self._objects = objects
        self._last: dict[str, tuple[bytes, _Folder]] = {}

    def between(self, before: Oid | None, after: Oid) -> dict[str, Change]:
        """The paths that differ; a path that is not UTF-8 has escapes. Raises `ObjectMissing`."""
        old = None if before is None else bytes.fromhex(before)
        return dict(self._folder("", old, bytes.fromhex(after)))

    def _folder(self, path: str, before: bytes | None, after: bytes | None) -> Iterator[tuple[str, Change]]:
        if before == after:
            return
        old = self._read(path, before)
        new, changes = _compare(old, _EMPTY.raw if after is None else self._raw(after))
        if after is None:
            self._last.pop(path, None)
        else:
            self._last[path] = (after, new)
        for name, change in changes.items():
            inner = f"{path}{name.decode('utf-8', 'backslashreplace')}"
            if inner not in _LOOKED_INTO:
                yield inner, change
                continue
            yield from self._folder(f"{inner}/", _tree(change.before), _tree(change.after))
            file = Change(_file(change.before), _file(change.after))
            if file != (None, None):
                yield inner, file

    def _read(self, path: str, oid: bytes | None) -> _Folder:
        if oid is None:
            return _EMPTY
        known = self._last.get(path)
        return known[1] if known is not None and known[0] == oid else _compare(_EMPTY, self._raw(oid))[0]

    def _raw(self, oid: bytes) -> bytes:
        return self._objects.raw_tree(Oid(oid.hex()))


def _tree(value: Value | None) -> bytes | None:
    return value[len(_TREE) :] if value is not None and value.startswith(_TREE) else None


def _file(value: Value | None) -> Value | None:
    return None if value is None or value.startswith(_TREE) else value


def _compare(old: _Folder, raw: bytes) -> tuple[_Folder, Mapping[bytes, Change]]:
    """The folder in `raw`, and what differs in it from `old`."""
    same = _common_start(old.raw, raw)
    # Up to the start of the entry with the first difference, both are parsed alike.
    first = max(bisect_right(old.starts, same) - 1, 0)
    start = old.starts[first] if old.starts else 0
    tail = _common_end(old.raw, raw, min(len(old.raw), len(raw)) - start)
    last = bisect_left(old.starts, len(old.raw) - tail)
    growth = len(raw) - len(old.raw)
    end = (old.starts[last] if last < len(old.starts) else len(old.raw)) + growth
    starts, position = _starts(raw, start, end)
    if position == end:
        new = _Folder(raw, [*old.starts[:first], *starts, *(place + growth for place in old.starts[last:])])
    else:
        # The bytes at the end are the same by chance, and do not begin with an entry here.
        more, _ = _starts(raw, position, len(raw))
        new, last = _Folder(raw, [*old.starts[:first], *starts, *more]), len(old.starts)
    before = old.entries(first, last)
    after = new.entries(first, len(new.starts) - (len(old.starts) - last))
    changes = {name: Change(before.get(name), after.get(name)) for name in before.keys() | after.keys()}
    return new, {name: change for name, change in sorted(changes.items()) if change.before != change.after}


def _starts(raw: bytes, start: int, end: int) -> tuple[list[int], int]:
    """Where the entries from `start` to `end` begin, and where the last of them ends."""
    found: list[int] = []
    while start < end:
        found.append(start)
        start = _nul(raw, start) + 1 + _OID_BYTES
    if start > len(raw):
        raise ObjectMissing("a tree of the plan branch is cut short")
    return found, start


def _entry(raw: bytes, start: int, end: int) -> tuple[bytes, Value]:
    mode, _, name = raw[start : _nul(raw, start)].partition(b" ")
    return name, b"%s %s" % (mode, raw[end - _OID_BYTES : end])


def _nul(raw: bytes, start: int) -> int:
    found = raw.find(b"\0", start)
    if found < 0:
        raise ObjectMissing("a tree of the plan branch is damaged")
    return found


def _common_start(one: bytes, other: bytes) -> int:
    """How many bytes at the start are the same; by halves, as comparing memory costs next to nothing."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _common_end(one: bytes, other: bytes, most: int) -> int:
    """How many bytes at the end are the same, at most `most`."""
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle
    return low
