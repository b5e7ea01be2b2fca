"""Landing: the only code that moves the base branch, and only to what evidence says has passed.

Every fact is looked at again at the moment of use. Order: the landing ref, then the files of the user's
checkouts of the base, then the base itself by compare-and-swap. `settle.py` finishes what a kill cut short.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pygit2
from attrs import frozen

from scriptorium.code.advance import Changed, Sorted, Step, advance, clear_leftovers, no_step, sort_changes
from scriptorium.code.checkout import (
    Checkout,
    IndexLocked,
    checkouts_of,
    head_of,
    obstacles,
    rebases_of,
)
from scriptorium.code.evidence import Evidence
from scriptorium.code.linked import linked_worktrees, worktrees_of_others
from scriptorium.code.merge import Merged
from scriptorium.code.pins import TICKET_BRANCHES, delete_landing, read_landings, set_landing
from scriptorium.code.repository import Project, open_repository, signature
from scriptorium.code.trees import Change, changes_between
from scriptorium.code.wholeness import ObjectsVanished, missing_object
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.refs import RefLocked, RefMoved, compare_and_swap, delete_ref, read_ref


class LandedUnproved(Exception):
    """The base is not at what was landed just now. Somebody moved it in the same moment, or this is a bug.

    The landing ref is still there: `settle` is the way on, and the base has no verdict but by its own tree.
    """


class LandingRefused(Exception):
    """The commit is not what the evidence proves, or another landing is not over: the caller's fault."""


@frozen
class Landed:
    """The base has `commit`. Commit the plan's `complete` next, then call `finish_landing`."""

    commit: Oid


@frozen
class BaseMoved:
    """The base is at `tip` (None: gone), not where the evidence was made: merge and check again."""

    tip: Oid | None


@frozen
class Blocked:
    """Nothing was changed, because of `files`: uncommitted work in the way, or a lock that git holds.

    They are relative to the project's root where they are below it. Try again when they are out of the way.
    """

    files: tuple[str, ...]


LandingOutcome: TypeAlias = Landed | BaseMoved | Blocked


def make_landing_commit(project: Project, merged: Merged | Evidence, message: str) -> Oid:
    """Write the commit that would land: parents [base, submission] and their merged tree. No ref moves.

    The checks run with HEAD at it, so it is made before there is evidence; `land` asks for that.
    """
    who = signature()
    parents: list[pygit2.Oid | str] = [merged.base, merged.submission]
    repo = open_repository(project)
    return Oid(str(repo.create_commit(None, who, who, message, merged.tree, parents)))


def land(
    project: Project,
    branch: str,
    ticket: TicketId,
    evidence: Evidence,
    commit: Oid,
    *,
    step: Step = no_step,
) -> LandingOutcome:
    """Move `branch` to `commit`, which `evidence` proves, and the user's checkouts of it along.

    A checkout moves as `git merge --ff-only` would move it, or else nothing does. Landing what has landed
    is `Landed` again.

    Raises:
        LandingRefused: `commit` is not of the evidence's base, submission and tree; or another
            ticket's landing has not been finished or settled.
        LandedUnproved: the base was moved, and then did not have the tree that passed.
        Any other error comes out after everything was put back as it was. When even that fails the
        landing ref stays, and `settle` is the way on.
    """
    repo = open_repository(project)
    _require_proof(repo, evidence, commit)
    tip = read_ref(repo, f"refs/heads/{branch}")
    if tip != evidence.base:
        has_landed = tip is not None and (tip == commit or repo.descendant_of(tip, commit))
        return Landed(commit) if has_landed else BaseMoved(tip)
    move = Move(branch, ticket, evidence.base, commit, commit, f"scriptorium: land ticket {ticket}")
    outcome = move_base(project, repo, move, step)
    if isinstance(outcome, Landed):
        _require_landed(project, branch, evidence, commit)
    return outcome


def finish_landing(project: Project, ticket: TicketId) -> None:
    """Forget the landing of `ticket`: the plan has it as complete. Doing it twice is fine.

    Raises `RefError` when the landing ref cannot be deleted.
    """
    repo = open_repository(project)
    for landing, commit in read_landings(repo):
        if landing == ticket:
            delete_landing(repo, ticket, old=commit)


def tidy_branch(project: Project, ticket: TicketId, base: Oid) -> bool:
    """Delete the branch of `ticket` when the commit `base` contains it and no worktree is on it.

    Returns whether there is no such branch any more. Raises `RefError` when it cannot be deleted.
    """
    repo = open_repository(project)
    name = f"{TICKET_BRANCHES}{ticket}"
    tip = read_ref(repo, name)
    if tip is None:
        return True
    if tip != base and not repo.descendant_of(base, tip):
        return False
    if any(head_of(own) == name for own in (project.git_dir, *dict(linked_worktrees(project)))):
        return False
    # Deleted only if it is still there: what came on top of it in the meantime stays.
    delete_ref(repo, name, old=tip)
    return True


@frozen
class Move:
    """The base `branch` goes from `base` to `commit`, which contains it.

    The landing ref of `ticket` is at `mark` meanwhile: a commit whose first parent is `base`, and from which
    `settle` knows `commit`. `message` is for the reflog.
    """

    branch: str
    ticket: TicketId
    base: Oid
    commit: Oid
    mark: Oid
    message: str


def move_base(project: Project, repo: pygit2.Repository, move: Move, step: Step) -> LandingOutcome:
    """Do it, the user's checkouts first; only for `land` and `follow`, which know why. Raises as `land`."""
    if unfinished := read_landings(repo):
        raise LandingRefused(f"the landing of ticket {unfinished[0][0]} has to be finished or settled first")
    others = worktrees_of_others(project)
    if rebases := rebases_of(project, move.branch, others):
        return blocked_by(project, rebases)
    changes = changes_between(repo, move.base, move.commit)
    checkouts = checkouts_of(project, move.branch, others)
    with contextlib.ExitStack() as locks:
        try:
            for checkout in checkouts:
                locks.enter_context(checkout.locked())
        except IndexLocked as error:
            return blocked_by(project, [error.path])
        step("locked")
        if in_the_way := [path for checkout in checkouts for path in obstacles(checkout, changes)]:
            return blocked_by(project, in_the_way)
        set_landing(repo, move.ticket, move.mark, move.base)
        step("landing-ref")
        if (missing := missing_object(project.git_dir, move.commit, [move.base])) is not None:
            delete_landing(repo, move.ticket, old=move.mark)
            raise ObjectsVanished(f"refs/heads/{move.branch}", move.commit, missing)
        return _move(_Landing(project, repo, move, changes, checkouts, step))


def blocked_by(project: Project, paths: Sequence[Path]) -> Blocked:
    """`Blocked` by these paths, as a person would name them."""
    named = [path.relative_to(project.root) if path.is_relative_to(project.root) else path for path in paths]
    return Blocked(tuple(dict.fromkeys(str(path) for path in named)))


@frozen
class _Landing:
    """One landing under way, its checkouts locked and found clear, its landing ref set."""

    project: Project
    repo: pygit2.Repository
    move: Move
    changes: tuple[Change, ...]
    checkouts: tuple[Checkout, ...]
    step: Step


def _move(landing: _Landing) -> LandingOutcome:
    project = landing.project
    try:
        return _move_files_and_base(landing)
    except RefMoved as error:
        outcome: LandingOutcome = BaseMoved(error.tip)
    except RefLocked as error:
        outcome = blocked_by(project, [error.path])
    except Changed as error:
        outcome = blocked_by(project, [error.path])
    except Exception:
        _call_off(landing)
        raise
    _call_off(landing)
    return outcome


def _move_files_and_base(landing: _Landing) -> LandingOutcome:
    project, step = landing.project, landing.step
    for checkout in landing.checkouts:
        advance(project, checkout, Sorted(landing.changes, (), ()), landing.move.commit, step)
    # A checkout that came to the base just now is not locked by us, and would be left behind.
    for checkout in checkouts_of(project, landing.move.branch):
        if checkout not in landing.checkouts:
            raise Changed(checkout.git_dir / "HEAD")
    # The commit's tree was compared with the evidence's, and an object cannot change, so the base's tree
    # is the one that passed from the moment that this returns.
    compare_and_swap(
        landing.repo,
        f"refs/heads/{landing.move.branch}",
        new=landing.move.commit,
        old=landing.move.base,
        message=landing.move.message,
    )
    step("base")
    return Landed(landing.move.commit)


def _call_off(landing: _Landing) -> None:
    """Undo the files, then forget the landing: after a kill in between there is something to settle by."""
    for checkout in landing.checkouts:
        put_back(landing.project, checkout, landing.changes, landing.move.base, landing.step)
    delete_landing(landing.repo, landing.move.ticket, old=landing.move.mark)
    landing.step("called-off")


def put_back(
    project: Project, checkout: Checkout, changes: Sequence[Change], source: Oid, step: Step = no_step
) -> None:
    """Take a checkout, whose index is locked, back to `source` where its files are as `changes` made them."""
    clear_leftovers(checkout, changes)
    found = sort_changes(checkout, [change.reversed() for change in changes])
    advance(project, checkout, found, source, step)


def _require_proof(repo: pygit2.Repository, evidence: Evidence, commit: Oid) -> None:
    found = repo[commit].peel(pygit2.Commit)
    proved = (evidence.tree, [evidence.base, evidence.submission])
    if (str(found.tree_id), [str(parent) for parent in found.parent_ids]) != proved:
        raise LandingRefused(f"commit {commit} is not what the evidence for tree {evidence.tree} proves")


def _require_landed(project: Project, branch: str, evidence: Evidence, commit: Oid) -> None:
    """Read back from the disk: the base has the tree that passed, or somebody's work on top of it."""
    repo = open_repository(project)
    tip = read_ref(repo, f"refs/heads/{branch}")
    if tip == commit and str(repo[commit].peel(pygit2.Commit).tree_id) == evidence.tree:
        return
    if tip is None or tip == commit or not repo.descendant_of(tip, commit):
        raise LandedUnproved(
            f"{branch} is at {tip} just after {commit} landed there; the tree that passed is {evidence.tree}"
        )
