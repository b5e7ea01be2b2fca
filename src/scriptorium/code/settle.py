"""At start: each landing that a kill cut short is finished, or undone and left to be checked again.

The landing ref says that files of the user's checkouts may have moved and the base not yet.
"""

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Sequence
from pathlib import Path

import pygit2
from attrs import frozen

from scriptorium.code.advance import (
    Changed,
    Step,
    advance,
    clear_leftovers,
    no_step,
    sort_changes,
)
from scriptorium.code.checkout import Checkout, IndexLocked, checkouts_of, obstacles
from scriptorium.code.following import ends_of
from scriptorium.code.landing import blocked_by, put_back
from scriptorium.code.pins import delete_landing, read_landings
from scriptorium.code.repository import Project, open_repository
from scriptorium.code.staging import clear_staging
from scriptorium.code.trees import Change, UnsafeTree, changes_between, read_tree
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.refs import RefLocked, RefMoved, compare_and_swap, read_ref


class SettledAs(enum.Enum):
    """What became of a landing, and what the caller does next."""

    CONTAINED = "contained"
    """The base has it: commit the plan's `complete`, then `finish_landing`."""
    FINISHED = "finished"
    """It was finished just now; go on as for `CONTAINED`."""
    CHECK_AGAIN = "check-again"
    """It is called off and its landing ref is gone: merge and check the ticket again."""
    BLOCKED = "blocked"
    """A git program holds a lock that is needed, or files changed just now: settle again in a moment."""


@frozen
class Settled:
    """The landing of `ticket` at `commit`, and its `outcome`.

    `files` are those that the outcome turned on: what blocks it, or what somebody changed while the
    service was down and which was left as it is; named as in `Blocked`.
    """

    ticket: TicketId
    outcome: SettledAs
    commit: Oid
    files: tuple[str, ...] = ()


@frozen
class _Place:
    """Where landings are settled."""

    project: Project
    branch: str
    step: Step

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"


@frozen
class _CutShort:
    """A landing that its ref, at `mark`, tells of: from `base` to `commit`."""

    place: _Place
    ticket: TicketId
    mark: Oid
    base: Oid
    commit: Oid
    changes: tuple[Change, ...]
    checkouts: tuple[Checkout, ...]

    def settled(self, outcome: SettledAs, paths: Sequence[Path] = ()) -> Settled:
        return Settled(self.ticket, outcome, self.commit, blocked_by(self.place.project, paths).files)


def settle(project: Project, branch: str, *, step: Step = no_step) -> tuple[Settled, ...]:
    """Settle what is left of earlier landings; call it before landing anything, holding the service's lock.

    Doing it again, also after being killed in the middle, leads to the same end.

    Raises `OSError`, `pygit2.GitError` or `RefError` when the repository cannot be worked with.
    """
    clear_staging(project)
    for checkout in checkouts_of(project, branch):
        checkout.release_stale_lock()
    repo = open_repository(project)
    place = _Place(project, branch, step)
    return tuple(_settle_or_wait(place, repo, ticket, commit) for ticket, commit in read_landings(repo))


def _settle_or_wait(place: _Place, repo: pygit2.Repository, ticket: TicketId, commit: Oid) -> Settled:
    try:
        return _settle(place, repo, ticket, commit)
    except RefLocked as error:  # of the landing ref, or of all packed refs
        return Settled(ticket, SettledAs.BLOCKED, commit, blocked_by(place.project, [error.path]).files)


def _settle(place: _Place, repo: pygit2.Repository, ticket: TicketId, mark: Oid) -> Settled:
    try:
        base, commit = ends_of(repo, ticket, mark)
        changes = changes_between(repo, base, commit)
    except (KeyError, IndexError, pygit2.InvalidSpecError, UnsafeTree):
        # Not a landing of ours: nothing in any checkout can come from it.
        delete_landing(repo, ticket, old=mark)
        return Settled(ticket, SettledAs.CHECK_AGAIN, mark)
    tip = read_ref(repo, place.ref)
    if tip is not None and (tip == commit or repo.descendant_of(tip, commit)):
        return Settled(ticket, SettledAs.CONTAINED, commit)
    checkouts = checkouts_of(place.project, place.branch)
    cut_short = _CutShort(place, ticket, mark, base, commit, changes, checkouts)
    with contextlib.ExitStack() as locks:
        try:
            for checkout in cut_short.checkouts:
                locks.enter_context(checkout.locked())
                clear_leftovers(checkout, cut_short.changes)
            return _finish(cut_short) if tip == base else _call_off(cut_short)
        except IndexLocked as error:
            return cut_short.settled(SettledAs.BLOCKED, [error.path])
        except Changed as error:
            return cut_short.settled(SettledAs.BLOCKED, [error.path])


def _finish(cut_short: _CutShort) -> Settled:
    """The base has not moved: bring the files to the new tree, then the base."""
    place = cut_short.place
    found = {checkout: sort_changes(checkout, cut_short.changes) for checkout in cut_short.checkouts}
    if not any(sorted_.made for sorted_ in found.values()):
        # No file had moved, so this is a landing that has not begun, and it waits as any other would.
        in_the_way = [path for checkout in found for path in obstacles(checkout, cut_short.changes)]
        if in_the_way:
            return _forget(cut_short, in_the_way)
    for checkout, sorted_ in found.items():
        advance(place.project, checkout, sorted_, cut_short.commit, place.step)
    try:
        compare_and_swap(
            open_repository(place.project),
            place.ref,
            new=cut_short.commit,
            old=cut_short.base,
            message=f"scriptorium: finish landing ticket {cut_short.ticket}",
        )
    except RefMoved:
        return _call_off(cut_short)
    except RefLocked as error:
        return cut_short.settled(SettledAs.BLOCKED, [error.path])
    place.step("base")
    left = [
        checkout.folder / os.fsdecode(change.path)
        for checkout, sorted_ in found.items()
        for change in sorted_.left
    ]
    return cut_short.settled(SettledAs.FINISHED, left)


def _call_off(cut_short: _CutShort) -> Settled:
    """The base went elsewhere: take back the files that moved, where the new tip still has the old ones."""
    place = cut_short.place
    repo = open_repository(place.project)
    tip = read_ref(repo, place.ref)
    if tip is not None:
        now, _ = read_tree(repo, tip)
        changes = [change for change in cut_short.changes if now.get(change.path) == change.source]
        for checkout in cut_short.checkouts:
            put_back(place.project, checkout, changes, cut_short.base, place.step)
    return _forget(cut_short, [])


def _forget(cut_short: _CutShort, paths: Sequence[Path]) -> Settled:
    delete_landing(open_repository(cut_short.place.project), cut_short.ticket, old=cut_short.mark)
    cut_short.place.step("forgotten")
    return cut_short.settled(SettledAs.CHECK_AGAIN, paths)
