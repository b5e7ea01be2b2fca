"""Objects on their way into a repository: made and looked at in memory, then written all at once.

What is refused, or was decided on a plan that has moved on, never reaches the disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from scriptorium.plan.ids import Oid
from scriptorium.plan.objects import GitObjects, ObjectMissing, TooLarge, TreeEntry, parse_tree
from scriptorium.plan.pack import NewObject, ObjectKind, encode, write
from scriptorium.plan.refs import fsync_enabled

_PACKS: Final = Path("objects", "pack")


class StagedObjects:
    """The objects of the repository in `git_dir`, and on top of them those that are only staged.

    Staging and writing is for one thread at a time; reading is for any.
    """

    def __init__(self, git_dir: Path, stored: GitObjects) -> None:
        self._packs = git_dir / _PACKS
        self._stored = stored
        self._staged: dict[Oid, NewObject] = {}

    def stage(self, kind: ObjectKind, data: bytes) -> Oid:
        """Take an object; it can be read at once."""
        new = NewObject(kind, data)
        oid = new.oid
        self._staged[oid] = new
        return oid

    def discard(self) -> None:
        """Forget what is staged."""
        self._staged = {}

    def write(self) -> None:
        """Write what is staged, and forget it; durable if `enable_fsync` said so. Raises `OSError`.

        A crash, or an error, leaves objects that nothing refers to, or none.
        """
        pack = encode(self._staged.values())
        durable = fsync_enabled()
        try:
            write(pack, self._packs, durable=durable)
        except FileNotFoundError:  # `git gc` may have removed the empty folder
            self._packs.mkdir(parents=True, exist_ok=True)
            write(pack, self._packs, durable=durable)
        self._staged = {}

    def raw_tree(self, oid: Oid) -> bytes:
        """A tree as git stores it; raises `ObjectMissing`."""
        staged = self._staged.get(oid)
        if staged is None:
            return self._stored.raw_tree(oid)
        if staged.kind is not ObjectKind.TREE:
            raise ObjectMissing(f"{oid} is not a tree")
        return staged.data

    def tree(self, oid: Oid) -> tuple[TreeEntry, ...]:
        """The entries of a tree; raises `ObjectMissing`."""
        return tuple(parse_tree(self.raw_tree(oid)))

    def blob(self, oid: Oid, limit: int) -> bytes:
        """The content of a blob; raises `TooLarge` past `limit` bytes, and `ObjectMissing`."""
        staged = self._staged.get(oid)
        if staged is None:
            return self._stored.blob(oid, limit)
        if staged.kind is not ObjectKind.BLOB:
            raise ObjectMissing(f"{oid} is not a blob")
        if len(staged.data) > limit:
            raise TooLarge(f"it is {len(staged.data)} bytes long; {limit} is the limit")
        return staged.data
