"""Work in progress: what a worktree holds, as a commit to be pinned, whatever state the worktree is in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pygit2
from attrs import frozen

from scriptorium.code.left_merge import contains, merge_head
from scriptorium.code.pins import pins_of
from scriptorium.code.record import record
from scriptorium.code.registration import head_commit, is_half_made, is_real_folder, registrations_of
from scriptorium.code.repository import (
    NoBaseBranch,
    Project,
    UnbornBase,
    base_branch,
    branch_tip,
    open_repository,
    signature,
)
from scriptorium.code.scan import tree_entries
from scriptorium.code.ticket_branch import is_held, ticket_branch
from scriptorium.plan.ids import Oid, TicketId

_IN_PROGRESS: Final = "scriptorium: keep the work in progress"
_LATE: Final = "scriptorium: keep what was written after the submission"


@frozen
class Work:
    """What a worktree holds. `files` are the paths in which it differs from the ticket's branch."""

    commit: Oid
    tree: Oid
    files: tuple[str, ...]


def snapshot_work(
    project: Project, worktree: Path, ticket: TicketId, *, base: Oid | None = None, late: bool = False
) -> Work | None:
    """Take what `worktree` holds as a commit to be pinned, whatever state it is in.

    `late`: it was written after the ticket's submission, and is not to be gone on from.

    None when there is nothing that would be lost: no such folder, or no change to a commit that the ticket's
    branch, its pins or the base branch (`base`, else as git alone tells it) hold already. A folder that git
    does not know is compared with the ticket's branch. What cannot be read is left out.

    Raises:
        OSError, pygit2.GitError: a fault of the system, such as a full disk.
    """
    if not is_real_folder(project, worktree):
        return None
    repo = open_repository(project)
    branch = branch_tip(repo, ticket_branch(ticket))
    found = registrations_of(project, worktree)
    own_dir = found[0].own_dir if found else None
    if own_dir is not None and is_half_made(own_dir):
        return None  # nobody has worked there yet, and what is missing was not removed
    head = (head_commit(repo, own_dir) if own_dir is not None else None) or branch
    recorded = record(project, worktree, own_dir, head)
    parents = [head] if head is not None else []
    theirs = merge_head(repo, own_dir) if own_dir is not None else None
    if head is not None and theirs is not None and not contains(repo, head, theirs):
        parents.append(theirs)
    pins = tuple(pin for pin in pins_of(repo, ticket) if isinstance(repo.get(pin), pygit2.Commit))
    commit = _pinned_already(repo, pins, parents, recorded.tree)
    if commit is None:
        message = _LATE if late else _IN_PROGRESS
        commit = commit_work(repo, ticket, parents, recorded.tree, message)
        if is_held(repo, commit, (branch, *pins, base or _usual_base(repo))):
            return None
    return Work(commit, recorded.tree, _differing(repo, recorded.tree, branch))


def _pinned_already(
    repo: pygit2.Repository, pins: Sequence[Oid], parents: Sequence[Oid], tree: Oid
) -> Oid | None:
    """A pin that holds just this work, so that looking twice does not make two."""
    for pin in pins:
        commit = repo[pin].peel(pygit2.Commit)
        if str(commit.tree_id) == tree and [str(parent) for parent in commit.parent_ids] == list(parents):
            return pin
    return None


def _usual_base(repo: pygit2.Repository) -> Oid | None:
    try:
        return branch_tip(repo, base_branch(repo, None))
    except (NoBaseBranch, UnbornBase):
        return None


def _differing(repo: pygit2.Repository, tree: Oid, commit: Oid | None) -> tuple[str, ...]:
    after = tree_entries(repo[tree].peel(pygit2.Tree))
    before = tree_entries(repo[commit].peel(pygit2.Tree)) if commit is not None else {}
    paths = {path for path in after.keys() | before.keys() if after.get(path) != before.get(path)}
    return tuple(os.fsdecode(path) for path in sorted(paths))


def is_late(commit: pygit2.Commit) -> bool:
    """Whether a pinned commit is one that `snapshot_work` was told is late."""
    return commit.message.startswith(_LATE)


def is_in_progress(commit: pygit2.Commit) -> bool:
    """Whether a pinned commit was made by `snapshot_work` of what was not committed, and is not late."""
    return commit.message.startswith(_IN_PROGRESS)


def commit_work(
    repo: pygit2.Repository,
    ticket: TicketId,
    parents: Sequence[Oid],
    tree: Oid,
    message: str = "scriptorium: take the work",
) -> Oid:
    """A commit of `tree` by scriptorium, or the only parent itself when that is its tree already."""
    if len(parents) == 1 and str(repo[parents[0]].peel(pygit2.Commit).tree_id) == tree:
        return parents[0]
    who = signature()
    text = f"{message} on ticket {ticket}\n"
    return Oid(str(repo.create_commit(None, who, who, text, pygit2.Oid(hex=tree), [*parents])))
