"""Whether everything of a new commit is still there: `git gc --prune=now` removes what no ref has yet, also
while it is being written. Looked at once a ref has it; `mending.py` has the way on when it is not whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from scriptorium.code.partial import is_partial
from scriptorium.code.trees import new_objects
from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import RefError


class ObjectsVanished(RefError):
    """Git removed what was being written. The ref is as it was; making and keeping it again is the way on."""

    def __init__(self, name: str, commit: Oid, missing: Oid) -> None:
        super().__init__(
            f"{name} cannot be at {commit}: its object {missing} is not there (any more); "
            "do not run `git gc --prune=now` or `git prune` while scriptorium runs"
        )


def missing_object(git_dir: Path, commit: Oid, known: Sequence[Oid] | None = None) -> Oid | None:
    """An object that `commit` has, none of `known` (its parents unless given) has in the same place, and the
    repository lacks; None when all are there. Costs as much as the commit changes.
    """
    # Opened anew: one that has seen an object believes for ever that it is there.
    repo = pygit2.Repository(str(git_dir))
    found = commit_at(repo, commit)
    if found is None:
        return commit
    others = [Oid(str(parent)) for parent in found.parent_ids] if known is None else known
    # A shallow clone lacks some, and then says less.
    there = [other for other in (commit_at(repo, other) for other in others) if other is not None]
    return _missing(repo, found.tree_id, [other.tree_id for other in there], set())


def missing_since(git_dir: Path, commit: Oid, base: Oid) -> Oid | None:
    """An object that the repository lacks of `commit` or of what was before it and is not in `base`.

    None when all are there. Costs as much as all of these commits change. A partial clone never had the files
    of every commit: there those of `commit` alone have to be there.
    """
    repo = pygit2.Repository(str(git_dir))
    if commit_at(repo, commit) is None:
        return commit
    seen: set[tuple[pygit2.Oid, ObjectType]] = set()
    try:
        walker = repo.walk(commit)
        walker.hide(base)
        missing = (
            _missing(repo, one.tree_id, [parent.tree_id for parent in one.parents], seen) for one in walker
        )
        found = next((oid for oid in missing if oid is not None), None)
    except (KeyError, pygit2.GitError):  # a commit before it is not there; libgit2 does not say which
        return commit
    if found is not None and is_partial(repo):
        trees = [repo[one].peel(pygit2.Commit).tree_id for one in (commit, base)]
        return _missing(repo, trees[0], trees[1:], set())
    return found


def commit_at(repo: pygit2.Repository, oid: Oid) -> pygit2.Commit | None:
    """The commit `oid`; None when it is not there, cannot be read, or is something else."""
    with contextlib.suppress(KeyError, pygit2.GitError):  # or a power cut has left its file empty
        found = repo[oid]
        return found.peel(pygit2.Commit) if found.type == ObjectType.COMMIT else None
    return None


def _missing(
    repo: pygit2.Repository,
    tree: pygit2.Oid,
    known: Sequence[pygit2.Oid],
    seen: set[tuple[pygit2.Oid, ObjectType]],
) -> Oid | None:
    for oid, kind in new_objects(repo, tree, known, seen):
        there = isinstance(repo.get(oid), pygit2.Tree) if kind == ObjectType.TREE else oid in repo
        if not there:
            return Oid(str(oid))
    return None
