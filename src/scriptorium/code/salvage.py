"""What is left of a commit, some of whose objects git has deleted, and whose files are in no worktree."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Final

import pygit2
from pygit2.enums import FileMode

from scriptorium.code.trees import Leaf, raw_entries
from scriptorium.code.work import commit_work
from scriptorium.plan.ids import Oid, TicketId

_MESSAGE: Final = "scriptorium: keep what git has left of the work"


def what_is_left(
    repo: pygit2.Repository, ticket: TicketId, commits: Iterable[Oid], whole: Oid | None
) -> Oid | None:
    """Commit, on `whole`, the files of the newest of `commits` that can be read; returns the commit's id.

    A file that is not there is as `whole` has it, or not at all. None when there is nothing but that. No ref
    has the commit yet.
    """
    before = {} if whole is None else _leaves(repo, repo[whole].peel(pygit2.Commit).tree_id, {})
    for commit in commits:
        top = repo[commit].peel(pygit2.Commit).tree_id if commit in repo else None
        if top is not None and top in repo:
            tree = _write(repo, _leaves(repo, top, before))
            made = commit_work(repo, ticket, [] if whole is None else [whole], tree, _MESSAGE)
            return made if made != whole else None
    return None


def _leaves(repo: pygit2.Repository, tree: pygit2.Oid, before: dict[bytes, Leaf]) -> dict[bytes, Leaf]:
    """The files of a tree by path; what is not there as in `before`."""
    leaves: dict[bytes, Leaf] = {}
    waiting = [(b"", tree)]
    while waiting:
        folder, oid = waiting.pop()
        found = repo.get(oid)
        if not isinstance(found, pygit2.Tree):
            leaves.update((path, leaf) for path, leaf in before.items() if path.startswith(folder))
            continue
        for name, entry in raw_entries(found).items():
            path = folder + name
            if entry.mode == FileMode.TREE:
                waiting.append((path + b"/", entry.oid))
            elif entry.is_submodule or entry.oid in repo:
                leaves[path] = entry
            elif path in before:
                leaves[path] = before[path]
    return leaves


def _write(repo: pygit2.Repository, leaves: dict[bytes, Leaf]) -> Oid:
    index = pygit2.Index()
    for path, leaf in leaves.items():
        with contextlib.suppress(pygit2.GitError):  # a name that git refuses
            index.add(pygit2.IndexEntry(os.fsdecode(path), leaf.oid, leaf.mode))
    return Oid(str(index.write_tree(repo)))
