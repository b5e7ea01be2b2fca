"""Finds out what a commit that somebody made by hand has undone.

Someone who commits in a checkout of the plan branch that scriptorium has moved on from puts every file of
that checkout back to what it was. Git shows this as a change like any other; only the history can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, NamedTuple

from attrs import frozen

from scriptorium.plan._audit_steps import Step, ticket_at
from scriptorium.plan._tree_changes import Change, Value
from scriptorium.plan.ids import Oid

HORIZON: Final = 5_000
"""How many commits back is looked for what was undone: about a thousand tickets' work."""


class Past(NamedTuple):
    """What has to be remembered of a commit to see that it was undone. `own` when scriptorium made it."""

    commit: Oid
    subject: str
    own: bool
    changes: Mapping[str, Change]


def past(step: Step) -> Past:
    """The step as it is remembered."""
    return Past(step.commit, step.subject, step.own, step.changes)


@frozen
class Undone:
    """The commits that were undone, the newest first, and the changed paths that went back."""

    commits: tuple[Past, ...]
    paths: frozenset[str]

    @property
    def transitions(self) -> tuple[Past, ...]:
        """Those of the commits that were scriptorium's."""
        return tuple(commit for commit in self.commits if commit.own)


def what_it_undid(changes: Mapping[str, Change], earlier: Iterable[Past]) -> Undone | None:
    """What a commit with these `changes` undid of the commits before it, `earlier`, the newest first.

    The point that it went back to is the latest at which most of what it changed was as it is now. A commit
    after that point was undone when all tickets that it touched (if none, all files) are as they were there.
    None when the first commit after that point was not undone: then it was a change of its own.
    """
    seen, count = _back_to(changes, islice(earlier, HORIZON))
    if not count:
        return None
    there: dict[str, Value | None] = {}
    now: dict[str, Value | None] = {path: change.after for path, change in changes.items()}
    for commit in seen:
        for path, change in commit.changes.items():
            now.setdefault(path, change.after)
            there[path] = change.before
    returned = {path for path in there if now[path] == there[path]}
    undone = tuple(
        commit
        for commit in seen
        if not changes.keys().isdisjoint(commit.changes) and returned.issuperset(_subject_of(commit))
    )
    if seen[-1] not in undone:
        return None
    return Undone(undone, frozenset(returned & changes.keys()))


def _back_to(changes: Mapping[str, Change], earlier: Iterable[Past]) -> tuple[list[Past], int]:
    """The commits after the point that `changes` went back to, and how many of the paths were so there."""
    seen: list[Past] = []
    back: set[str] = set()
    best = length = 0
    for commit in earlier:
        seen.append(commit)
        for path in changes.keys() & commit.changes.keys():
            as_before = commit.changes[path].before == changes[path].after
            back.add(path) if as_before else back.discard(path)
        if len(back) > best:
            best, length = len(back), len(seen)
        if best == len(changes):
            break
    return seen[:length], best


def _subject_of(commit: Past) -> set[str]:
    """The paths that a commit was about."""
    tickets = {path for path in commit.changes if ticket_at(path) is not None}
    return tickets or set(commit.changes)
