"""Changes to the plan's files, and the tree that they make: only folders that are touched are rewritten."""

from __future__ import annotations

from collections.abc import Mapping

import pygit2
from attrs import field, frozen
from pygit2.enums import FileMode

from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import KEEP, KEPT_FOLDERS
from scriptorium.plan.message import Message


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


def write_tree(repo: pygit2.Repository, root: Oid | None, edits: Edits) -> Oid:
    """Write the tree that `edits` make of the tree `root` (None: of nothing), and what is new in it.

    A folder of the layout that runs empty keeps a `.gitkeep`; any other goes.

    Raises:
        FolderBlocked: a file, link or submodule is where an edited file's folder belongs.
    """
    changes: dict[str, str | None] = dict.fromkeys(edits.removes)
    changes.update(edits.writes)
    tree = _write_folder(repo, root, "", changes)
    return Oid(str(repo.TreeBuilder().write())) if tree is None else tree


def _write_folder(
    repo: pygit2.Repository, before: Oid | None, path: str, changes: Mapping[str, str | None]
) -> Oid | None:
    builder = repo.TreeBuilder() if before is None else repo.TreeBuilder(before)
    within: dict[str, dict[str, str | None]] = {}
    for name, content in changes.items():
        first, slash, rest = name.partition("/")
        if slash:
            within.setdefault(first, {})[rest] = content
        elif content is not None:
            builder.insert(name, repo.create_blob(content.encode()), FileMode.BLOB)
        elif builder.get(name) is not None:
            builder.remove(name)
    for name, inner in within.items():
        inner_path = f"{path}{name}"
        tree = _write_folder(repo, _folder(builder, name, inner_path), f"{inner_path}/", inner)
        if tree is not None:
            builder.insert(name, tree, FileMode.TREE)
        elif builder.get(name) is not None:
            builder.remove(name)
    if len(builder) == 0:
        if path.rstrip("/") not in KEPT_FOLDERS:
            return None
        builder.insert(KEEP, repo.create_blob(b""), FileMode.BLOB)
    return Oid(str(builder.write()))


def _folder(builder: pygit2.TreeBuilder, name: str, path: str) -> Oid | None:
    # The stubs of pygit2 leave out that it answers None for a name that is not there.
    entry: pygit2.Object | None = builder.get(name)
    if entry is None:
        return None
    if entry.filemode != FileMode.TREE:
        raise FolderBlocked(f"the plan branch has a file where the folder {path} belongs: move it away")
    return Oid(str(entry.id))
