"""The objects that a plan is read from: trees and blobs by oid, never a working tree.

`GitObjects` reads a repository; `scriptorium.plan.memory` has the same for plain files.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple, Protocol

import pygit2
from pygit2.enums import FileMode, ObjectType, RepositoryOpenFlag

from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import AUTHOR_EMAIL, AUTHOR_NAME

_REGULAR = frozenset({0o100644, 0o100755, 0o100664})


class TreeEntry(NamedTuple):
    """One name in a tree, with escapes where it is not UTF-8. (A tuple, as there are ten thousand.)"""

    name: str
    mode: int
    oid: Oid

    @property
    def is_file(self) -> bool:
        """A regular file: neither a folder, nor a symbolic link, nor a submodule."""
        return self.mode in _REGULAR

    @property
    def is_folder(self) -> bool:
        """A tree."""
        return self.mode == FileMode.TREE

    @property
    def kind(self) -> str:
        """What it is, for a message."""
        match self.mode:
            case FileMode.TREE:
                return "a folder"
            case FileMode.LINK:
                return "a symbolic link"
            case FileMode.COMMIT:
                return "a submodule"
            case mode if mode in _REGULAR:
                return "a file"
            case mode:
                return f"an entry of mode {mode:o}"


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

    def tree(self, oid: Oid) -> tuple[TreeEntry, ...]:
        """The entries of a tree."""

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
        self._repo = open_repository(git_dir)
        self._lock = threading.Lock()

    def tree(self, oid: Oid) -> tuple[TreeEntry, ...]:
        """The entries of a tree; raises `ObjectMissing`."""
        return tuple(parse_tree(self.raw_tree(oid)))

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
            try:
                kind, size = self._repo.odb.read_header(oid)
            except (KeyError, pygit2.GitError) as error:
                raise ObjectMissing(f"{oid} cannot be read: {error}") from error
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
        try:
            return self._repo.odb.read(oid)
        except (KeyError, pygit2.GitError) as error:
            raise ObjectMissing(f"{oid} cannot be read: {error}") from error


def parse_tree(data: bytes) -> list[TreeEntry]:
    """The entries of a tree object: `<mode in octal> <name>\\0<20 bytes of oid>`, one after another."""
    entries: list[TreeEntry] = []
    position = 0
    while position < len(data):
        end = data.index(b"\0", position)
        mode, _, name = data[position:end].partition(b" ")
        position = end + 21
        oid = Oid(data[end + 1 : position].hex())
        entries.append(TreeEntry(name.decode("utf-8", "backslashreplace"), int(mode, 8), oid))
    return entries


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
