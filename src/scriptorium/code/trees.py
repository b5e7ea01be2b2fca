"""The files of a commit, and what differs between two: read from git's objects alone.

Paths are bytes, as in git. A tree is somebody's data: names that would lead out of a checkout are refused.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import pygit2
from attrs import frozen
from pygit2.enums import FileMode, ObjectType

from scriptorium.plan.ids import Oid

_ENTRY: Final = re.compile(rb"([0-7]+) ([^\0]*)\0(.{20})", re.DOTALL)
_KNOWN: Final = (FileMode.TREE, FileMode.BLOB, FileMode.BLOB_EXECUTABLE, FileMode.LINK, FileMode.COMMIT)
_MODES: Final = {b"%o" % mode: mode for mode in _KNOWN}


REMEMBERED_BYTES: Final = 1024 * 1024
"""Of the trees that were read last, as git stores them, all together: parsed they are some 5 MB."""


class UnsafeTree(Exception):
    """A tree has an entry that no checkout may have, such as `.git` or `..`: its author's fault."""


@frozen
class Leaf:
    """What a tree has at a path: a file, a symbolic link, or a submodule's commit."""

    mode: FileMode
    oid: pygit2.Oid

    @property
    def is_file(self) -> bool:
        return self.mode in (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)

    @property
    def is_submodule(self) -> bool:
        return self.mode == FileMode.COMMIT


Folder: TypeAlias = dict[bytes, "Leaf | Folder"]


@frozen
class Change:
    """What is at `path` in one tree and in another; None where there is no file (but perhaps a folder)."""

    path: bytes
    source: Leaf | None
    target: Leaf | None

    def reversed(self) -> Change:
        """The way back."""
        return Change(self.path, self.target, self.source)


@frozen
class RawPath:
    """A path for pygit2, which would encode text strictly."""

    path: bytes

    def __fspath__(self) -> bytes:
        return self.path


def read_tree(repo: pygit2.Repository, commit: Oid) -> tuple[dict[bytes, Leaf], Folder]:
    """The files of a commit by path, and the same as folders within folders.

    Raises:
        KeyError: there is no such commit.
        UnsafeTree: a checkout of it could write outside of its folder.
    """
    leaves: dict[bytes, Leaf] = {}
    top: Folder = {}
    waiting = [(b"", repo[commit].peel(pygit2.Tree), top)]
    while waiting:
        prefix, tree, folder = waiting.pop()
        for name, entry in _entries(tree, prefix).items():
            if entry.mode == FileMode.TREE:
                below: Folder = {}
                folder[name] = below
                waiting.append((prefix + name + b"/", repo[entry.oid].peel(pygit2.Tree), below))
            else:
                folder[name] = leaves[prefix + name] = entry
    return leaves, top


def changes_between(repo: pygit2.Repository, source: Oid, target: Oid) -> tuple[Change, ...]:
    """What has to change to get from one commit's tree to another's, sorted by path.

    Raises as `read_tree` does; equal folders are not looked into.
    """
    changes: list[Change] = []
    waiting: list[tuple[bytes, pygit2.Tree | None, pygit2.Tree | None]] = [
        (b"", repo[source].peel(pygit2.Tree), repo[target].peel(pygit2.Tree))
    ]
    while waiting:
        prefix, old_tree, new_tree = waiting.pop()
        old: Mapping[bytes, Leaf] = {} if old_tree is None else _entries(old_tree, prefix)
        new: Mapping[bytes, Leaf] = {} if new_tree is None else _entries(new_tree, prefix)
        for name in old.keys() | new.keys():
            before, after = old.get(name), new.get(name)
            if before == after:
                continue
            path = prefix + name
            old_leaf, old_folder = _split(repo, before)
            new_leaf, new_folder = _split(repo, after)
            if old_leaf is not None or new_leaf is not None:
                changes.append(Change(path, old_leaf, new_leaf))
            if old_folder is not None or new_folder is not None:
                waiting.append((path + b"/", old_folder, new_folder))
    return tuple(sorted(changes, key=lambda change: change.path))


def _split(repo: pygit2.Repository, entry: Leaf | None) -> tuple[Leaf | None, pygit2.Tree | None]:
    if entry is not None and entry.mode == FileMode.TREE:
        return None, repo[entry.oid].peel(pygit2.Tree)
    return entry, None


def _entries(tree: pygit2.Tree, prefix: bytes) -> Mapping[bytes, Leaf]:
    found = raw_entries(tree)
    for name in found:
        if name in (b"", b".", b"..") or name.lower() == b".git" or b"/" in name:
            raise UnsafeTree(f"a tree has an entry {os.fsdecode(prefix + name)!r}, which git refuses")
    return found


def raw_entries(tree: pygit2.Tree) -> Mapping[bytes, Leaf]:
    """What is in a tree by its name, folders too: several times as quick as pygit2's own look at each."""
    found = _recent.get(tree.id)
    if found is None:
        raw = tree.read_raw()
        found = _parsed(raw)
        _recent.put(tree.id, found, len(raw))
    return found


def _parsed(raw: bytes) -> Mapping[bytes, Leaf]:
    return {
        name: Leaf(_MODES.get(mode) or _mode(int(mode, 8)), pygit2.Oid(raw=oid))
        for mode, name, oid in _ENTRY.findall(raw)
    }


class _Recent:
    """The trees that were read last: a commit has nearly all of those of the one before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trees: OrderedDict[pygit2.Oid, tuple[Mapping[bytes, Leaf], int]] = OrderedDict()
        self._bytes = 0

    def get(self, oid: pygit2.Oid) -> Mapping[bytes, Leaf] | None:
        with self._lock:
            found = self._trees.get(oid)
            if found is None:
                return None
            self._trees.move_to_end(oid)
            return found[0]

    def put(self, oid: pygit2.Oid, entries: Mapping[bytes, Leaf], size: int) -> None:
        with self._lock:
            if oid in self._trees or size > REMEMBERED_BYTES:
                return
            self._trees[oid] = entries, size
            self._bytes += size
            while self._bytes > REMEMBERED_BYTES:
                self._bytes -= self._trees.popitem(last=False)[1][1]


_recent = _Recent()


def new_objects(
    repo: pygit2.Repository,
    tree: pygit2.Oid,
    before: Sequence[pygit2.Oid],
    seen: set[tuple[pygit2.Oid, ObjectType]],
) -> Iterator[tuple[pygit2.Oid, ObjectType]]:
    """What a tree has, itself first, and none of the trees `before` has at the same place; submodules aside.

    Each comes before it is opened, there or not, as what the tree takes it for, and goes into `seen`: what is
    there already does not come again. A tree of `before` that is not there has nothing. Raises `KeyError` or
    `pygit2.GitError` when asked to go on past a tree that cannot be opened.
    """
    # Not by recursion, and nothing twice: an agent's folders may be as deep and as much alike as it likes.
    waiting = [(tree, list(before))]
    while waiting:
        oid, others = waiting.pop()
        if oid in others or (oid, ObjectType.TREE) in seen:
            continue
        seen.add((oid, ObjectType.TREE))
        yield oid, ObjectType.TREE
        found = (repo.get(other) for other in others)
        siblings = [raw_entries(other) for other in found if isinstance(other, pygit2.Tree)]
        for name, entry in raw_entries(repo[oid].peel(pygit2.Tree)).items():
            same = [sibling[name] for sibling in siblings if name in sibling]
            if entry.mode == FileMode.TREE:
                waiting.append((entry.oid, [other.oid for other in same if other.mode == FileMode.TREE]))
            elif not entry.is_submodule and all(other.oid != entry.oid for other in same):
                found_blob = (entry.oid, ObjectType.BLOB)
                if found_blob not in seen:
                    seen.add(found_blob)
                    yield found_blob


def _mode(bits: int) -> FileMode:
    """What libgit2 takes another mode for, such as one that an old program has written."""
    if stat.S_ISDIR(bits):
        return FileMode.TREE
    if bits & 0o111:
        return FileMode.BLOB_EXECUTABLE
    return FileMode.LINK if stat.S_ISLNK(bits) else FileMode.BLOB
