"""Whether everything of a new commit is still there: `git gc --prune=now` removes what no ref has yet, also
while it is being written. Looked at once a ref has it; `mending.py` has the way on when it is not whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pygit2
from pygit2.enums import FileMode

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
    if not isinstance(repo.get(commit), pygit2.Commit):
        return commit
    found = repo[commit].peel(pygit2.Commit)
    others = [Oid(str(parent)) for parent in found.parent_ids] if known is None else known
    # A shallow clone lacks some, and then says less.
    there = [other for other in others if isinstance(repo.get(other), pygit2.Commit)]
    return _missing(repo, found.tree_id, [repo[other].peel(pygit2.Tree).id for other in there])


def missing_since(git_dir: Path, commit: Oid, base: Oid) -> Oid | None:
    """An object that the repository lacks of `commit` or of what was before it and is not in `base`.

    None when all are there. Costs as much as all of these commits change.
    """
    repo = pygit2.Repository(str(git_dir))
    if not isinstance(repo.get(commit), pygit2.Commit):
        return commit
    walker = repo.walk(commit)
    try:
        walker.hide(base)
        for one in walker:
            missing = _missing(repo, one.tree_id, [parent.tree_id for parent in one.parents])
            if missing is not None:
                return missing
    except (KeyError, pygit2.GitError):  # a commit before it is not there; libgit2 does not say which
        return commit
    return None


def _missing(repo: pygit2.Repository, oid: pygit2.Oid, known: Sequence[pygit2.Oid]) -> Oid | None:
    if oid in known:
        return None
    tree = repo.get(oid)
    if not isinstance(tree, pygit2.Tree):
        return Oid(str(oid))
    others = [other for other in map(repo.get, known) if isinstance(other, pygit2.Tree)]
    for entry in tree:
        name = entry.name or ""
        there = [other[name].id for other in others if name in other]
        if entry.id in there or entry.filemode == FileMode.COMMIT:
            continue
        if entry.filemode == FileMode.TREE:
            missing = _missing(repo, entry.id, there)
        else:
            missing = None if entry.id in repo else Oid(str(entry.id))
        if missing is not None:
            return missing
    return None
