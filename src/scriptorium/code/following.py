"""The base follows the remote: a fast-forward to what others have pushed, made with the care of a landing.

It is the base moved by someone else, only later: no evidence is asked for, and its health is found out next.
"""

from __future__ import annotations

from typing import Final

import pygit2

from scriptorium.code.advance import Step, no_step
from scriptorium.code.landing import (
    BaseMoved,
    Landed,
    LandingOutcome,
    LandingRefused,
    Move,
    finish_landing,
    move_base,
)
from scriptorium.code.repository import Project, open_repository, signature
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.refs import read_ref

FOLLOWING: Final = TicketId("0000")
"""Whose landing ref it is: no ticket has this id, the first being 0001."""


def follow(project: Project, branch: str, base: Oid, tip: Oid, *, step: Step = no_step) -> LandingOutcome:
    """Move `branch` from `base` to `tip`, which contains it, and the user's checkouts of it along.

    A checkout moves as `git merge --ff-only` would move it, or else nothing does. Cut short by a kill, it is
    finished or undone by `settle`. Raises `LandingRefused` when `tip` does not contain `base`, and as `land`.
    """
    repo = open_repository(project)
    now = read_ref(repo, f"refs/heads/{branch}")
    if now is not None and (now == tip or repo.descendant_of(now, tip)):
        return Landed(tip)
    if now != base:
        return BaseMoved(now)
    if not repo.descendant_of(tip, base):
        raise LandingRefused(f"commit {tip} does not contain {base}, where {branch} is")
    mark = _mark(repo, base, tip)
    outcome = move_base(
        project, repo, Move(branch, FOLLOWING, base, tip, mark, "scriptorium: follow the remote"), step
    )
    if isinstance(outcome, Landed):
        finish_landing(project, FOLLOWING)
    return outcome


def ends_of(repo: pygit2.Repository, ticket: TicketId, mark: Oid) -> tuple[Oid, Oid]:
    """From where to where a base was moved whose landing ref is at `mark`.

    Raises `KeyError`, `IndexError` or `pygit2.InvalidSpecError` when no landing of ours left it there.
    """
    parents = [Oid(str(parent)) for parent in repo[mark].peel(pygit2.Commit).parent_ids]
    # The remote's commits may be many, so that the mark tells of them; a merge with them is landed itself.
    if ticket == FOLLOWING and repo.descendant_of(parents[1], parents[0]):
        return parents[0], parents[1]
    return parents[0], mark


def _mark(repo: pygit2.Repository, base: Oid, tip: Oid) -> Oid:
    """What the landing ref is at meanwhile: it keeps both ends, and never becomes the base."""
    who, tree = signature(), repo[tip].peel(pygit2.Commit).tree_id
    message = "scriptorium: follow the remote\n\nThe base branch goes from the first parent to the second.\n"
    return Oid(str(repo.create_commit(None, who, who, message, tree, [base, tip])))
