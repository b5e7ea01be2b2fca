"""Objects on their way into a repository: made and looked at in memory, then written all at once.

What is refused, or was decided on a plan that has moved on, never reaches the disk.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from scriptorium.plan.ids import Oid
from scriptorium.plan.keeping import Keep
from scriptorium.plan.objects import GitObjects, ObjectMissing, TooLarge
from scriptorium.plan.pack import NewObject, ObjectKind, Pack, encode, write
from scriptorium.plan.refs import fsync_enabled
from scriptorium.plan.trees import Tree

_PACKS: Final = Path("objects", "pack")


class StagedObjects:
    """The objects of the repository in `git_dir`, and on top of them those that are only staged.

    Staging and writing is for one thread at a time; reading is for any.
    """

    def __init__(self, git_dir: Path, stored: GitObjects) -> None:
        self._git_dir = git_dir
        self._packs = git_dir / _PACKS
        self._stored = stored
        self._staged: dict[Oid, NewObject] = {}
        self._trees: dict[Oid, Tree] = {}
        self._written: tuple[str, frozenset[Oid]] | None = None
        self._keep: Keep | None = None

    def stage(self, kind: ObjectKind, data: bytes) -> Oid:
        """Take an object; it can be read at once."""
        new = NewObject(kind, data)
        oid = new.oid
        self._staged[oid] = new
        return oid

    def stage_tree(self, tree: Tree) -> Oid:
        """Take a tree; it can be read at once."""
        oid = self.stage(ObjectKind.TREE, tree.raw)
        self._trees[oid] = tree
        return oid

    def discard(self) -> None:
        """Forget what is staged."""
        self._staged, self._trees = {}, {}

    def write(self) -> None:
        """Write what is staged, and forget it; durable if `enable_fsync` said so. Raises `OSError`.

        However git keeps house meanwhile, it is there until `let_go`, which is for when a ref has it. A
        crash, or an error, leaves objects that nothing refers to, or none.
        """
        pack = encode(self._staged.values())
        durable = fsync_enabled()
        try:
            self._put(pack, durable=durable)
        except FileNotFoundError:  # `git gc` may have removed the empty folder
            self._packs.mkdir(parents=True, exist_ok=True)
            self._put(pack, durable=durable)
        self._written = (f"{self._packs}/{pack.name}.idx", frozenset(self._staged))
        self._stored.remember(self._trees)
        self.discard()

    def _put(self, pack: Pack, *, durable: bool) -> None:
        self.let_go()
        self._keep = Keep.of(self._git_dir, pack.name)
        try:
            write(pack, self._packs, durable=durable)
        except BaseException:
            self.let_go()
            raise

    def let_go(self) -> None:
        """Leave to git what was written: a ref has it, or none is to. Doing it twice is fine."""
        keep, self._keep = self._keep, None
        if keep is not None:
            keep.let_go()

    def is_written(self, oid: Oid) -> bool:
        """Whether the repository has the object. Of what was written last, its pack is all that is looked at:
        libgit2 would look through all the others first, and keep this one open."""
        index, oids = self._written or ("", frozenset())
        return (oid in oids and os.access(index, os.F_OK)) or self._stored.has(oid)

    def tree(self, oid: Oid, like: Tree | None = None) -> Tree:
        """A tree, quicker to make when it is `like` one that is there; raises `ObjectMissing`."""
        known = self._trees.get(oid)
        if known is not None:
            return known
        staged = self._staged.get(oid)
        if staged is None:
            return self._stored.tree(oid, like)
        if staged.kind is not ObjectKind.TREE:
            raise ObjectMissing(f"{oid} is not a tree")
        return Tree.parse(staged.data, like)

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
