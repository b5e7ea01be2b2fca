"""What is left of a commit, some of whose objects git has deleted, and whose files are in no worktree."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pygit2
from attrs import define, field
from pygit2.enums import FileMode, ObjectType

from scriptorium.code.registration import NO_COMMIT
from scriptorium.code.trees import Leaf, raw_entries
from scriptorium.code.wholeness import commit_at
from scriptorium.code.work import commit_work
from scriptorium.plan.ids import Oid, TicketId

_MESSAGE: Final = "scriptorium: keep what git has left of the work"
_MOST_ENTRIES: Final = 200_000
"""Of folders that differ from the whole commit's: with a few that are all alike there is no end to them."""


class _TooMany(Exception):
    """There is no end to the files."""


def what_is_left(
    repo: pygit2.Repository, ticket: TicketId, histories: Iterable[Sequence[Oid]], whole: Oid | None
) -> Oid | None:
    """Commit, on `whole`, the files of the newest commit that can be read; returns the commit's id.

    Of each of `histories` (first parents, newest first) what is not in `whole` is looked at. A file that is
    not there is as `whole` has it, or not at all. `whole` itself when a commit of just its files can be read,
    None when there is nothing else to be had. No ref has the commit yet.
    """
    before = commit_at(repo, whole) if whole is not None else None
    for history in histories:
        for commit in history:
            if whole is not None and _is_in(repo, whole, commit):
                break
            found = commit_at(repo, commit)
            if found is None or _entries(repo, found.tree_id) is None:
                continue
            if before is not None and found.tree_id == before.tree_id:
                return whole
            with contextlib.suppress(_TooMany):
                tree = _Left.of(repo, found.tree_id, before).write()
                made = commit_work(repo, ticket, [] if whole is None else [whole], tree, _MESSAGE)
                return made if made != whole else None
            return None
    return None


@define
class _Left:
    """The files of a whole commit, on the way to being those of another as far as they are there."""

    _repo: pygit2.Repository
    _index: pygit2.Index = field(factory=pygit2.Index)
    _count: int = 0
    _waiting: list[tuple[bytes, Leaf, Leaf | None]] = field(factory=list)
    """Folders of the other commit: the path, what is there, and what the whole one has there."""

    @classmethod
    def of(cls, repo: pygit2.Repository, top: pygit2.Oid, before: pygit2.Commit | None) -> _Left:
        left = cls(repo)
        if before is not None:
            left._index.read_tree(before.tree)
        earlier = Leaf(FileMode.TREE, before.tree_id) if before is not None else None
        left._waiting.append((b"", Leaf(FileMode.TREE, top), earlier))
        while left._waiting:
            left._folder(*left._waiting.pop())
        return left

    def _folder(self, path: bytes, leaf: Leaf, before: Leaf | None) -> None:
        found = _entries(self._repo, leaf.oid)
        if found is None:
            return
        was: Mapping[bytes, Leaf] = {}
        if before is not None and before.mode == FileMode.TREE:
            was = _entries(self._repo, before.oid) or {}
        elif before is not None:
            self._remove(path, before)
        prefix = path + b"/" if path else b""
        for name, entry in found.items():
            if entry != was.get(name):
                self._differs(prefix + name, entry, was.get(name))
        for name in was.keys() - found.keys():
            self._remove(prefix + name, was[name])

    def _differs(self, path: bytes, entry: Leaf, before: Leaf | None) -> None:
        self._count += 1
        if self._count > _MOST_ENTRIES:
            raise _TooMany
        if entry.mode == FileMode.TREE:
            self._waiting.append((path, entry, before))
        elif _is_there(self._repo, entry):
            if before is not None and before.mode == FileMode.TREE:
                self._remove(path, before)
            # Not a name that git refuses.
            with contextlib.suppress(pygit2.GitError):
                self._index.add(pygit2.IndexEntry(os.fsdecode(path), entry.oid, entry.mode))

    def _remove(self, path: bytes, before: Leaf) -> None:
        with contextlib.suppress(OSError, pygit2.GitError):
            if before.mode == FileMode.TREE:
                self._index.remove_directory(os.fsdecode(path))
            else:
                self._index.remove(os.fsdecode(path))

    def write(self) -> Oid:
        return Oid(str(self._index.write_tree(self._repo)))


def _is_in(repo: pygit2.Repository, whole: Oid, commit: Oid) -> bool:
    with contextlib.suppress(KeyError, pygit2.GitError):  # it lacks some before it, and so is not
        return commit == whole or repo.descendant_of(whole, commit)
    return False


def _entries(repo: pygit2.Repository, tree: pygit2.Oid) -> Mapping[bytes, Leaf] | None:
    with contextlib.suppress(KeyError, pygit2.GitError):
        found = repo[tree]
        return raw_entries(found) if isinstance(found, pygit2.Tree) else None
    return None


def _is_there(repo: pygit2.Repository, leaf: Leaf) -> bool:
    """Whether a tree can have it: a blob that git has, or a submodule at a commit."""
    if leaf.is_submodule:
        return str(leaf.oid) != NO_COMMIT
    with contextlib.suppress(KeyError, pygit2.GitError):
        return repo.odb.read_header(leaf.oid)[0] == ObjectType.BLOB
    return False
