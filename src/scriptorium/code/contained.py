"""Whether commits are in a branch: answered for many at once, by going through its history one time."""

from __future__ import annotations

from collections.abc import Collection

import pygit2
from pygit2.enums import SortMode

from scriptorium.plan.ids import Oid


class HistoryCut(Exception):
    """The history of the branch is not all in this repository, so it cannot be told what is in it."""


def not_contained(repo: pygit2.Repository, tip: Oid, commits: Collection[Oid]) -> frozenset[Oid]:
    """Those of `commits` that are neither `tip` nor behind it.

    Raises:
        HistoryCut: some were not found, and the repository is a shallow clone or lacks commits.
    """
    left = set(commits)
    try:
        # None of them is looked for in vain when all have landed: then this ends at the oldest of them.
        walk = repo.walk(tip, SortMode.NONE) if left else ()
        for commit in walk:
            left.discard(Oid(str(commit.id)))
            if not left:
                break
    except (KeyError, pygit2.GitError) as error:
        raise HistoryCut(str(error)) from error
    if left and repo.is_shallow:
        raise HistoryCut("this is a shallow clone")
    return frozenset(left)
