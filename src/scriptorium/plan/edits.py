"""Changes to the plan's files, and the tree that they make: only folders that are touched are rewritten."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import KEEP, KEPT_FOLDERS
from scriptorium.plan.message import Message
from scriptorium.plan.pack import ObjectKind
from scriptorium.plan.staging import StagedObjects
from scriptorium.plan.trees import FILE, FOLDER, RawEntry, Tree


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
    return objects.stage_tree(Tree()) if tree is None else tree


def _write_folder(
    objects: StagedObjects, before: Oid | None, path: str, changes: Mapping[str, str | None]
) -> Oid | None:
    tree = Tree() if before is None else objects.tree(before)
    within: dict[str, dict[str, str | None]] = {}
    edited: dict[bytes, RawEntry | None] = {}
    for name, content in changes.items():
        first, slash, rest = name.partition("/")
        if slash:
            within.setdefault(first, {})[rest] = content
        else:
            edited[name.encode()] = None if content is None else _file(objects, name, content)
    for name, inner in within.items():
        key, inner_path = name.encode(), f"{path}{name}"
        there = edited[key] if key in edited else tree.get(key)
        oid = _write_folder(objects, _folder(there, inner_path), f"{inner_path}/", inner)
        edited[key] = None if oid is None else RawEntry(FOLDER, key, bytes.fromhex(oid))
    tree = tree.edited(edited)
    if not tree.pieces:
        if path.rstrip("/") not in KEPT_FOLDERS:
            return None
        tree = tree.edited({KEEP.encode(): _file(objects, KEEP, "")})
    return objects.stage_tree(tree)


def _file(objects: StagedObjects, name: str, content: str) -> RawEntry:
    return RawEntry(FILE, name.encode(), bytes.fromhex(objects.stage(ObjectKind.BLOB, content.encode())))


def _folder(entry: RawEntry | None, path: str) -> Oid | None:
    if entry is None:
        return None
    if not entry.is_folder:
        raise FolderBlocked(f"the plan branch has a file where the folder {path} belongs: move it away")
    return Oid(entry.oid.hex())
