"""Making a worktree ready: for a ticket, continuing what its branch holds, and for checking the base.

A worktree that is not complete is marked so in git's own `locked` file; one that is found marked, or whose
`.git` file is gone or wrong, is made anew. So a crash at any step needs nobody, and the next start is right.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

import pygit2
from attrs import evolve, frozen

from scriptorium.code.base_merge import Plan, check_out, leave_merge, plan_merge, remove_locks, renew_index
from scriptorium.code.exact import WorktreeBroken, reset_to_commit
from scriptorium.code.left_merge import (
    Remerge,
    contains,
    foreign_operation,
    is_merging,
    left_merge,
    remember,
)
from scriptorium.code.mending import Mended, Workplace, mend
from scriptorium.code.places import (
    base_worktree,
    discard,
    git_name,
    make_parents,
    remove_worktree,
    ticket_of,
    ticket_worktree,
    tickets_dir,
)
from scriptorium.code.record import record
from scriptorium.code.registration import (
    Link,
    Registration,
    begin_change,
    finish,
    head_commit,
    is_half_made,
    is_real_folder,
    link_state,
    make_folder,
    put_on_branch,
    read_head,
    register,
    registrations_of,
    shares_directory,
)
from scriptorium.code.repository import Project, branch_tip, opened
from scriptorium.code.resuming import HalfMerged, work_to_resume
from scriptorium.code.safekeeping import give_ref
from scriptorium.code.spare import fill_from_spare
from scriptorium.code.ticket_branch import is_held, ticket_branch
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.refs import compare_and_swap


@frozen
class Prepared:
    """A worktree that an agent, or the checks, can be started in.

    `head` is the commit that is checked out. `merged` says that the base was brought in just now; `conflicts`
    are the files of a merge of the base that is left open for the agent, sorted. `mended` says what had to be
    given up of the ticket's branch for want of its objects.
    """

    path: Path
    branch: str
    head: Oid
    merged: bool
    conflicts: tuple[str, ...]
    mended: Mended | None = None


@frozen
class _Job:
    """One call of `prepare_worktree`."""

    project: Project
    repo: pygit2.Repository
    ticket: TicketId
    path: Path
    base: Oid
    merge_base: bool

    @property
    def branch(self) -> str:
        return ticket_branch(self.ticket)

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"

    def tip(self) -> Oid:
        """The branch's commit; the branch is made at the base if there is none yet."""
        found = branch_tip(self.repo, self.branch)
        if found is not None:
            return found
        compare_and_swap(self.repo, self.ref, new=self.base, old=None)
        return self.base

    def prepared(self, head: Oid, *, merged: bool = False, conflicts: tuple[str, ...] = ()) -> Prepared:
        return Prepared(self.path, self.branch, head, merged, conflicts)


def prepare_worktree(
    project: Project, ticket: TicketId, slug: str, base: Oid, *, merge_base: bool = False
) -> Prepared:
    """Make, or make ready, the worktree of a ticket, with its branch checked out.

    A new branch starts at `base`; one of an earlier try is continued. A worktree that is sound is kept with
    what is in it; anything else that is found at its place is pinned if it is work, and made anew. With
    `merge_base` (before an agent starts) HEAD is put on the ticket's branch, and if the branch lacks `base`
    and nothing uncommitted is in the way, `base` is merged: by a commit, or by a merge left open.

    Raises:
        RefError: a ref is locked or was moved by somebody else; try again.
        OSError, pygit2.GitError: a fault of the system, such as a full disk.
    """
    with opened(project) as open_project:
        path = ticket_worktree(project, ticket, slug)
        job = _Job(open_project, open_project.repo, ticket, path, base, merge_base)
        make_parents(project)
        # Its processes are gone, so nobody holds a lock on the ticket's branch.
        (project.git_dir / f"{job.ref}.lock").unlink(missing_ok=True)
        mended = mend(Workplace(project, ticket, path, base))
        return evolve(_prepare(job), mended=mended)


def _prepare(job: _Job) -> Prepared:
    project, path = job.project, job.path
    _remove_others(job)
    registration = _sound(project, path)
    if registration is None:
        return _make(job)
    remove_locks(registration)
    if not job.merge_base:
        head = head_commit(job.repo, registration.own_dir)
        return job.prepared(head or job.tip())
    head = _put_on_branch(job, registration)
    if head is None:
        return _make(job)
    renew_index(registration, head)
    return _continue(job, registration, head)


def _remove_others(job: _Job) -> None:
    """A ticket has one worktree: one under an earlier slug would have the same branch checked out."""
    for name in sorted(os.listdir(tickets_dir(job.project))):  # noqa: PTH208 - names are all that is wanted
        other = tickets_dir(job.project) / name
        if other != job.path and ticket_of(job.project, other) == job.ticket:
            remove_worktree(job.project, other, base=job.base)


def _sound(project: Project, path: Path) -> Registration | None:
    """The registration of a complete worktree that git and its files agree on, else None."""
    found = registrations_of(project, path)
    if len(found) != 1 or not is_real_folder(project, path):
        return None
    registration = found[0]
    is_sound = (
        link_state(registration) is Link.SOUND
        and not registration.own_dir.is_symlink()
        and shares_directory(project, registration)
        and not is_half_made(registration.own_dir)
        and read_head(registration.own_dir) is not None
    )
    return registration if is_sound else None


def _make(job: _Job) -> Prepared:
    """Make the worktree, from nothing or in place of one that is not sound."""
    left = _resume(job)
    remove_worktree(job.project, job.path, base=job.base)
    make_parents(job.project)
    tip = job.tip()
    brings_base = job.merge_base and left is None
    plan = plan_merge(job.repo, job.ticket, tip, job.base) if brings_base else Plan(tip)
    if plan.tip != tip:
        # There is no worktree yet, so the branch may move first: a crash leaves a branch with the base in.
        give_ref(job.repo, job.ref, new=plan.tip, old=tip, known=[job.base])
    registration = register(job.project, git_name(job.project, job.path), job.path, f"ref: {job.ref}")
    if not fill_from_spare(job.project, job.repo, registration, plan.tip):
        make_folder(registration)
        check_out(registration, plan.tip)
    if plan.conflicts:
        leave_merge(registration, tip, job.base)
    elif left is not None:
        remember(registration.own_dir, left.ours, left.theirs)
    finish(registration)
    return job.prepared(plan.tip, merged=plan.tip != tip, conflicts=left.marked if left else plan.conflicts)


def _resume(job: _Job) -> HalfMerged | None:
    """Bring the branch to the pinned work of a worktree that is lost, before an agent is to go on from it.

    Returns the merge of the base that was open there. A branch that is not there is begun at the base:
    whoever deleted it wants that.
    """
    tip = branch_tip(job.repo, job.branch)
    if tip is None or not job.merge_base or os.path.lexists(job.path):
        return None
    found = work_to_resume(job.repo, job.ticket, tip, job.base)
    if found is None:
        return None
    if found.commit != tip:
        compare_and_swap(job.repo, job.ref, new=found.commit, old=tip)
    return found.left


def _put_on_branch(job: _Job, registration: Registration) -> Oid | None:
    """See to it that HEAD is on the ticket's branch, without touching a file; None when that is not possible.

    An agent may have gone to another branch, or detached HEAD. What it committed there on top of the ticket's
    branch is taken over; a merge that scriptorium made for checking is not.
    """
    at = read_head(registration.own_dir)
    if at is not None and at.ref == job.ref:
        # Without a branch nobody knows what the files are work on: they are pinned, and it begins anew.
        return branch_tip(job.repo, job.branch)
    tip, head = job.tip(), head_commit(job.repo, registration.own_dir)
    if head is None or not contains(job.repo, head, tip) or foreign_operation(registration.own_dir):
        return None
    if head != tip:
        if is_held(job.repo, head, (tip, job.base)):
            return None
        compare_and_swap(job.repo, job.ref, new=head, old=tip)
    put_on_branch(registration, job.ref)
    return head


def _continue(job: _Job, registration: Registration, head: Oid) -> Prepared:
    own_dir = registration.own_dir
    if contains(job.repo, head, job.base):
        return job.prepared(head)
    left = left_merge(job.repo, own_dir, head, job.base)
    if left is not None and left.is_open:
        conflicts = Remerge.of(job.repo, left).conflicts
        return job.prepared(head, conflicts=tuple(path.decode(errors="replace") for path in conflicts))
    if is_merging(own_dir) or foreign_operation(own_dir) or not _is_clean(job, registration, head):
        return job.prepared(head)
    plan = plan_merge(job.repo, job.ticket, head, job.base)
    # A worktree that a crash leaves half moved holds nothing that the branch does not: it is made anew.
    begin_change(registration)
    with contextlib.suppress(pygit2.GitError):
        if plan.conflicts:
            leave_merge(registration, head, job.base)
        else:
            # Files first: were the branch first, a crash would leave the base's changes taken back.
            check_out(registration, plan.tip)
            give_ref(job.repo, job.ref, new=plan.tip, old=head, known=[job.base])
        finish(registration)
        return job.prepared(plan.tip, merged=plan.tip != head, conflicts=plan.conflicts)
    return _make(job)  # the agent's settings of this worktree stand in the way


def _is_clean(job: _Job, registration: Registration, head: Oid) -> bool:
    recorded = record(job.project, job.path, registration.own_dir, head)
    return not recorded.changed and not recorded.nested and not recorded.refused


def prepare_base_worktree(project: Project, commit: Oid, keep_ignored: Collection[str] = ()) -> Path:
    """A worktree of scriptorium's own that holds exactly the tree of `commit`, HEAD detached there.

    `keep_ignored` is as for `reset_to_commit`.

    Raises:
        UnsafeTree: the tree cannot be checked out by anyone.
        WorktreeBroken: the repository's settings keep a checkout from being exact.
        OSError, pygit2.GitError: a fault of the system, such as a full disk.
    """
    path = base_worktree(project)
    make_parents(project)
    registration = _sound(project, path)
    if registration is not None:
        with contextlib.suppress(WorktreeBroken):
            reset_to_commit(project, path, commit, keep_ignored)
            return path
    discard(project, path)
    make_parents(project)
    registration = register(project, git_name(project, path), path, commit)
    make_folder(registration)
    reset_to_commit(project, path, commit)
    finish(registration)
    return path
