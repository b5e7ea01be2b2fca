"""Changes to the plan's files, and the tree that they make: only folders that are touched are rewritten."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from attrs import field, frozen
from pygit2.enums import FileMode

from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import KEEP, KEPT_FOLDERS
from scriptorium.plan.message import Message
from scriptorium.plan.pack import ObjectKind
from scriptorium.plan.staging import StagedObjects


class FolderBlocked(Exception):
    """The plan branch has something else where a folder belongs: a person has to move it out of the way."""


@frozen
class Edits:
    """One transition's changes: what to write (path → text), what to remove, what the commit says.

    Removing what is not there is no error.
    """

    message: Message
    writes: Mapping[str, str] = field(factory=dict)
    removes: frozenset[str] = frozenset()

    @property
    def paths(self) -> frozenset[str]:
        """Every path that is touched."""
        return self.removes.union(self.writes)


def write_tree(objects: StagedObjects, root: Oid | None, edits: Edits) -> Oid:
    """Stage the tree that `edits` make of the tree `root` (None: of nothing), and what is new in it.

    A folder of the layout that runs empty keeps a `.gitkeep`; any other goes.

    Raises:
        FolderBlocked: a file, link or submodule is where an edited file's folder belongs.
        ObjectMissing: the repository lacks a tree of the plan's.
    """
    changes: dict[str, str | None] = dict.fromkeys(edits.removes)
    changes.update(edits.writes)
    tree = _write_folder(objects, root, "", changes)
    return objects.stage(ObjectKind.TREE, b"") if tree is None else tree


def _write_folder(
    objects: StagedObjects, before: Oid | None, path: str, changes: Mapping[str, str | None]
) -> Oid | None:
    entries = {} if before is None else _entries(objects.raw_tree(before))
    within: dict[str, dict[str, str | None]] = {}
    for name, content in changes.items():
        first, slash, rest = name.partition("/")
        if slash:
            within.setdefault(first, {})[rest] = content
        elif content is not None:
            entries[name.encode()] = _file(objects, content)
        else:
            entries.pop(name.encode(), None)
    for name, inner in within.items():
        key, inner_path = name.encode(), f"{path}{name}"
        tree = _write_folder(objects, _folder(entries.get(key), inner_path), f"{inner_path}/", inner)
        if tree is not None:
            entries[key] = _Entry(_FOLDER, bytes.fromhex(tree))
        else:
            entries.pop(key, None)
    if not entries:
        if path.rstrip("/") not in KEPT_FOLDERS:
            return None
        entries[KEEP.encode()] = _file(objects, "")
    return objects.stage(ObjectKind.TREE, _render(entries))


class _Entry(NamedTuple):
    """A name's mode, in octal, and oid, in binary: as a tree object has them."""

    mode: bytes
    oid: bytes


_FILE: Final = b"%o" % FileMode.BLOB
_FOLDER: Final = b"%o" % FileMode.TREE
_TREE_ENTRY: Final = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)


def _entries(tree: bytes) -> dict[bytes, _Entry]:
    # One pass of the regular expression, as the folder of done tickets grows with every ticket.
    return {name: _Entry(mode, oid) for mode, name, oid in _TREE_ENTRY.findall(tree)}


def _render(entries: Mapping[bytes, _Entry]) -> bytes:
    """The tree object: git sorts a folder as if its name ended in a slash."""
    ordered = sorted(entries.items(), key=lambda item: item[0] + b"/" if item[1].mode == _FOLDER else item[0])
    return b"".join(b"%s %s\0%s" % (entry.mode, name, entry.oid) for name, entry in ordered)


def _file(objects: StagedObjects, content: str) -> _Entry:
    return _Entry(_FILE, bytes.fromhex(objects.stage(ObjectKind.BLOB, content.encode())))


def _folder(entry: _Entry | None, path: str) -> Oid | None:
    if entry is None:
        return None
    if entry.mode != _FOLDER:
        raise FolderBlocked(f"the plan branch has a file where the folder {path} belongs: move it away")
    return Oid(entry.oid.hex())
