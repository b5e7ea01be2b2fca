"""Who changed a file on the base: the other side of a conflict, by ticket where a landing brought it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final, TypeAlias

import pygit2
from attrs import frozen
from pygit2.enums import FileMode

from scriptorium.code.receipt import receipt_of
from scriptorium.plan.ids import Oid, TicketId

LANDINGS_READ: Final = 200
"""How far back the base is read: a submission that is older than that conflicts with too many to name."""
CHANGES_NAMED: Final = 5
"""Of one file, the newest."""

Entry: TypeAlias = tuple[pygit2.Oid, FileMode]
"""What is at a path of a tree."""


@frozen
class BaseChange:
    """A commit of the base that changed a file, and the ticket that it landed; None when it landed none."""

    commit: Oid
    ticket: TicketId | None

    def __str__(self) -> str:
        short = self.commit[:10]
        return f"commit {short}" if self.ticket is None else f"ticket {self.ticket} in {short}"


def changes_on_base(
    repo: pygit2.Repository, base: Oid, submission: Oid, paths: Collection[str]
) -> Mapping[str, tuple[BaseChange, ...]]:
    """By which commits the base has changed each of `paths` since the submission left it, newest first.

    A path that it has not changed is left out. Read are the first `LANDINGS_READ` commits of its first-parent
    line that `submission` does not contain; named are at most `CHANGES_NAMED` for a path.
    """
    walker = repo.walk(base)
    walker.simplify_first_parent()
    walker.hide(submission)
    found: dict[str, tuple[BaseChange, ...]] = {}
    after: Mapping[str, Entry | None] | None = None
    for commit in islice(walker, LANDINGS_READ):
        if after is None:
            after = _entries(commit.tree, paths)
        before = _entries(commit.parents[0].tree, paths) if commit.parents else {}
        for path in paths:
            known = found.get(path, ())
            if after.get(path) != before.get(path) and len(known) < CHANGES_NAMED:
                found[path] = (*known, _change(commit))
        after = before
    return found


def _change(commit: pygit2.Commit) -> BaseChange:
    receipt = receipt_of(commit)
    return BaseChange(Oid(str(commit.id)), None if receipt is None else receipt.ticket)


def entry_at(tree: pygit2.Tree, path: str) -> Entry | None:
    """What a tree has at a path; None for nothing, and for a path that is not UTF-8: pygit2 cannot ask."""
    try:
        found = tree[path]
    except KeyError:
        return None
    return (found.id, FileMode(found.filemode))


def _entries(tree: pygit2.Tree, paths: Collection[str]) -> Mapping[str, Entry | None]:
    return {path: entry_at(tree, path) for path in paths}
