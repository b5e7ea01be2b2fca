"""The objects that a plan is read from: trees and blobs by oid, never a working tree.

`GitObjects` reads a repository; `scriptorium.plan.memory` has the same for plain files.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

import pygit2
from pygit2.enums import ObjectType, RepositoryOpenFlag

from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import AUTHOR_EMAIL, AUTHOR_NAME
from scriptorium.plan.trees import Tree, TreeDamaged, TreeEntry

T = TypeVar("T")

__all__ = [
    "TREES",
    "CommitFacts",
    "GitObjects",
    "ObjectMissing",
    "Objects",
    "TooLarge",
    "TreeEntry",
    "open_repository",
]

TREES: Final = 64
"""How many trees are remembered: several times what one version of the plan has, as versions share most."""


LOOKS: Final = 4
"""How often an object is looked for before it is missing, each time in a repository opened afresh."""


class CommitFacts(NamedTuple):
    """A commit: author and committer as `Name <address>`, without the time."""

    tree: Oid
    parents: tuple[Oid, ...]
    author: str
    committer: str
    message: str


class TooLarge(ValueError):
    """The blob is larger than the limit, and was not read."""


class ObjectMissing(Exception):
    """The repository lacks an object that it refers to: it is damaged."""


class Objects(Protocol):
    """Where trees and blobs come from."""

    def tree(self, oid: Oid, like: Tree | None = None) -> Tree:
        """A tree; quicker to make when it is `like` one that is there."""

    def blob(self, oid: Oid, limit: int) -> bytes:
        """The content of a blob; raises `TooLarge` past `limit` bytes."""


def open_repository(git_dir: Path) -> pygit2.Repository:
    """The repository at exactly `git_dir`, without looking further up and without its working tree.

    What is written to its reflogs is in scriptorium's name.
    """
    repo = pygit2.Repository(str(git_dir), RepositoryOpenFlag.NO_SEARCH | RepositoryOpenFlag.BARE)
    repo.set_ident(AUTHOR_NAME, AUTHOR_EMAIL)
    return repo


class GitObjects:
    """Reads from the repository in `git_dir`, from any thread."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir
        self._repo = open_repository(git_dir)
        self._lock = threading.Lock()
        self._trees: OrderedDict[Oid, Tree] = OrderedDict()

    def tree(self, oid: Oid, like: Tree | None = None) -> Tree:
        """A tree, quicker to make when it is `like` one that is there; raises `ObjectMissing`."""
        with self._lock:
            known = self._trees.get(oid)
            if known is not None:
                self._trees.move_to_end(oid)
                return known
        try:
            tree = Tree.parse(self.raw_tree(oid), like)
        except TreeDamaged as error:
            raise ObjectMissing(f"{oid} cannot be read: {error}") from error
        self.remember({oid: tree})
        return tree

    def remember(self, trees: Mapping[Oid, Tree]) -> None:
        """Take trees that the repository has, so that they need not be read."""
        with self._lock:
            self._trees.update(trees)
            while len(self._trees) > TREES:
                self._trees.popitem(last=False)

    def raw_tree(self, oid: Oid) -> bytes:
        """A tree as git stores it; raises `ObjectMissing`."""
        with self._lock:
            kind, data = self._read(oid)
        if kind != ObjectType.TREE:
            raise ObjectMissing(f"{oid} is not a tree")
        return data

    def blob(self, oid: Oid, limit: int) -> bytes:
        """The content of a blob; raises `TooLarge` past `limit` bytes, and `ObjectMissing`."""
        with self._lock:
            kind, size = self._look(lambda odb: odb.read_header(oid), oid)
            if kind != ObjectType.BLOB:
                raise ObjectMissing(f"{oid} is not a blob")
            if size > limit:
                raise TooLarge(f"it is {size} bytes long; {limit} is the limit")
            return self._read(oid)[1]

    def commit(self, oid: Oid) -> CommitFacts:
        """The commit `oid`; raises `ObjectMissing`."""
        with self._lock:
            kind, data = self._read(oid)
        if kind != ObjectType.COMMIT:
            raise ObjectMissing(f"{oid} is not a commit")
        return _parse_commit(data)

    def _read(self, oid: Oid) -> tuple[int, bytes]:
        return self._look(lambda odb: odb.read(oid), oid)

    def _look(self, look: Callable[[pygit2.Odb], T], oid: Oid) -> T:
        """What `look` finds; raises `ObjectMissing`.

        libgit2 lists the packs once more when it misses an object, and misses one that is rolled up again
        between the list and the look. And a folder of objects that it could not look at when it opened the
        repository is never there for it again.
        """
        for _ in range(LOOKS - 1):
            with contextlib.suppress(KeyError, pygit2.GitError):
                return look(self._repo.odb)
            with contextlib.suppress(pygit2.GitError, OSError):
                self._repo = open_repository(self._git_dir)
        try:
            return look(self._repo.odb)
        except (KeyError, pygit2.GitError) as error:
            raise ObjectMissing(f"{oid} cannot be read: {error}") from error

    def has(self, oid: Oid) -> bool:
        """Whether the repository has that object."""
        with self._lock:
            return oid in self._repo.odb

    def close_packs(self) -> None:
        """Close the packs that libgit2 holds open, some of which are gone; it finds the rest again."""
        with self._lock:
            self._repo.free()


def _parse_commit(data: bytes) -> CommitFacts:
    header, _, message = data.decode("utf-8", "replace").partition("\n\n")
    facts = [line.partition(" ")[::2] for line in header.split("\n")]
    people = {key: value.rsplit(" ", 2)[0] for key, value in facts if key in {"author", "committer"}}
    return CommitFacts(
        tree=next(Oid(value) for key, value in facts if key == "tree"),
        parents=tuple(Oid(value) for key, value in facts if key == "parent"),
        author=people.get("author", ""),
        committer=people.get("committer", ""),
        message=message,
    )
