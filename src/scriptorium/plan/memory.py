"""A plan held in memory, from plain files: for deciding, and testing decisions, without a repository."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pygit2.enums import FileMode

from scriptorium.plan.ids import NULL_OID, Oid
from scriptorium.plan.objects import TooLarge
from scriptorium.plan.reader import SnapshotReader
from scriptorium.plan.snapshot import Numbers, Snapshot
from scriptorium.plan.trees import Tree


def snapshot_from_files(
    files: Mapping[str, bytes], *, commit: Oid = NULL_OID, numbers: Numbers | None = None
) -> Snapshot:
    """The snapshot of a plan that holds `files` (by path), as if it were committed as `commit`.

    `numbers` are the highest numbers that its history has used (default: none).
    """
    objects = MemoryObjects(files)
    used = numbers or Numbers()
    return SnapshotReader(objects).read(commit, objects.root, lambda: used)


class MemoryObjects:
    """The files of one tree, by path, with the oids that git would give them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._objects: dict[Oid, bytes] = {}
        self.root = self._store_tree(files)

    def tree(self, oid: Oid, like: Tree | None = None) -> Tree:
        """A tree, quicker to make when it is `like` one that is there."""
        return Tree.parse(self._objects[oid], like)

    def blob(self, oid: Oid, limit: int) -> bytes:
        """The content of a blob; raises `TooLarge` past `limit` bytes."""
        content = self._objects[oid]
        if len(content) > limit:
            raise TooLarge(f"it is {len(content)} bytes long; {limit} is the limit")
        return content

    def _store_tree(self, files: Mapping[str, bytes]) -> Oid:
        entries: dict[bytes, tuple[int, Oid]] = {}
        folders: dict[str, dict[str, bytes]] = {}
        for path, content in files.items():
            folder, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(folder, {})[rest] = content
            else:
                entries[path.encode()] = (FileMode.BLOB, self._store("blob", content))
        for folder, within in folders.items():
            entries[folder.encode()] = (FileMode.TREE, self._store_tree(within))
        return self._store("tree", b"".join(_tree_line(name, *entries[name]) for name in sorted(entries)))

    def _store(self, kind: str, content: bytes) -> Oid:
        header = f"{kind} {len(content)}\0".encode()
        oid = Oid(hashlib.sha1(header + content, usedforsecurity=False).hexdigest())
        self._objects[oid] = content
        return oid


def _tree_line(name: bytes, mode: int, oid: Oid) -> bytes:
    return b"%o %s\0%s" % (mode, name, bytes.fromhex(oid))
