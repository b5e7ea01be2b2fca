"""Taking what a worktree holds as an agent's submission, or saying what the agent has to mend first.

The agent is untrusted and may be alive. Its HEAD is read as data, its files without following a link, and
nothing of its index is written. Synchronous; for a worker thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pygit2
from attrs import frozen

from scriptorium.code.left_merge import (
    HalfUndone,
    Remerge,
    Resolution,
    contains,
    foreign_operation,
    is_merging,
    left_merge,
    merge_head,
    share_history,
)
from scriptorium.code.merge import AlreadyLanded, NothingToLand, merge
from scriptorium.code.record import Recorded, record
from scriptorium.code.registration import (
    Link,
    Registration,
    head_commit,
    is_real_folder,
    link_state,
    mend_link,
    registrations_of,
)
from scriptorium.code.repository import Project, open_repository
from scriptorium.code.scan import readable_index, tree_entries
from scriptorium.code.ticket_branch import advance_branch, follow_branch, ticket_branch
from scriptorium.code.work import Work, commit_work, snapshot_work
from scriptorium.plan.ids import Oid, TicketId

__all__ = [
    "Captured",
    "SubmissionRefused",
    "Work",
    "advance_branch",
    "capture",
    "follow_branch",
    "snapshot_work",
]

_SHOWN_FILES = 10


class SubmissionRefused(Exception):
    """The worktree cannot be submitted as it is. The text is for the agent: what is wrong, and what to do."""


@frozen
class Captured:
    """A submission: `commit` is HEAD, or was made of uncommitted work or an open merge (`changed`)."""

    commit: Oid
    tree: Oid
    changed: bool


def capture(project: Project, worktree: Path, ticket: TicketId, base: Oid) -> Captured:
    """Take what `worktree` holds now as the submission of `ticket`, to be landed on the commit `base`.

    That is its HEAD, on whatever branch, with all tracked, and all untracked but not ignored, files. No ref
    moves and no file of the agent's changes, but for a `.git` file that is gone, which is put back.

    Raises:
        SubmissionRefused: by the rules of `submit_pr`, with what the agent can do about it.
        OSError, pygit2.GitError: a fault of the system, such as a full disk.
    """
    repo = open_repository(project)
    registration = _registered(project, worktree)
    head = head_commit(repo, registration.own_dir)
    if head is None or not share_history(repo, head, base):
        raise SubmissionRefused(
            "HEAD shares no history with the base branch; go back to your branch with: "
            f"git symbolic-ref HEAD refs/heads/{ticket_branch(ticket)} (if HEAD is there, that history or "
            "the base branch's was lost or replaced, which is not for you to settle: end now)"
        )
    _refuse_foreign_operation(repo, registration.own_dir, base)
    recorded = record(project, worktree, registration.own_dir, head)
    _refuse_unrecorded(recorded)
    merged = _merged_in(repo, registration.own_dir, head, base, recorded.tree)
    commit = commit_work(repo, ticket, (head, merged) if merged else (head,), recorded.tree)
    if isinstance(merge(project, base, commit), NothingToLand | AlreadyLanded):
        raise SubmissionRefused(
            "nothing to land: the worktree holds no change that the base branch does not have "
            "(files that .gitignore names are not submitted)"
        )
    return Captured(commit, recorded.tree, changed=commit != head)


def _registered(project: Project, worktree: Path) -> Registration:
    found = registrations_of(project, worktree)
    if not is_real_folder(project, worktree) or len(found) != 1:
        raise SubmissionRefused(
            f"the worktree {worktree} has vanished, or git does not know it any more; "
            "end now: the ticket goes on from its branch in a new one"
        )
    registration = found[0]
    if link_state(registration) is Link.MISSING:
        with contextlib.suppress(FileExistsError):
            mend_link(registration)
    if link_state(registration) is not Link.SOUND:
        raise SubmissionRefused(
            f"{worktree}/.git is not the file that git put there, so this is no worktree of the project any "
            f"more; remove it and put it back: echo 'gitdir: {registration.own_dir}' > .git"
        )
    return registration


def _refuse_foreign_operation(repo: pygit2.Repository, own_dir: Path, base: Oid) -> None:
    operation = foreign_operation(own_dir)
    if operation is not None:
        raise SubmissionRefused(
            f"a {operation} is open in the worktree; finish or abort it, then submit again"
        )
    theirs = merge_head(repo, own_dir)
    if is_merging(own_dir) and (theirs is None or not contains(repo, base, theirs)):
        raise SubmissionRefused(
            "a merge of something other than the base branch is open in the worktree; "
            "commit it or run `git merge --abort`, then submit again"
        )


def _refuse_unrecorded(recorded: Recorded) -> None:
    if recorded.nested:
        raise SubmissionRefused(
            f"{_listed(recorded.nested)}: a git repository of its own inside the worktree; remove its .git, "
            "name the folder in .gitignore, or commit it as a submodule, then submit again"
        )
    if recorded.refused:
        path, why = next(iter(recorded.refused.items()))
        more = f" (and {len(recorded.refused) - 1} more)" if len(recorded.refused) > 1 else ""
        raise SubmissionRefused(f"{path or 'the worktree'} cannot be submitted: {why}{more}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN_FILES]) + (", …" if len(names) > _SHOWN_FILES else "")


def _merged_in(repo: pygit2.Repository, own_dir: Path, head: Oid, base: Oid, tree: Oid) -> Oid | None:
    """The commit of the base that the submission merges, when HEAD does not contain it yet."""
    left = left_merge(repo, own_dir, head, base)
    if left is None:
        return None
    remerge = Remerge.of(repo, left)
    content = tree_entries(repo[tree].peel(pygit2.Tree))
    marked = remerge.marked(repo, content)
    if marked:
        raise SubmissionRefused(
            f"conflict markers are left in {_listed(marked)}; resolve them, then submit again"
        )
    undecided = remerge.undecided(content, readable_index(own_dir))
    if undecided:
        raise SubmissionRefused(
            f"{_listed(undecided)}: in conflict with the base branch, without conflict markers, and still as "
            "the merge left it; decide what it is to be, say so with `git add` or `git rm`, then submit again"
        )
    if contains(repo, head, left.theirs):
        return None
    try:
        resolution = remerge.resolution(repo, content, is_open=left.is_open)
    except HalfUndone as undone:
        raise SubmissionRefused(
            f"{undone} is as it was before the base branch was merged, so landing would take the base's "
            f"change back; run `git checkout {left.theirs[:12]} -- FILE`, or commit the merge yourself if "
            "that is what the ticket asks for, then submit again"
        ) from undone
    return left.theirs if resolution is Resolution.TAKEN else None
