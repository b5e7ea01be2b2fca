"""Going on from a ticket's last whole commit, when git has deleted something of the newer ones.

`git gc --prune=now` and `git prune` delete what no ref has, and a commit has none while an agent's git makes
it: then its tree is gone, or the commit itself. The files lie in the worktree all the same, so they are work
on the commit before. A crash between two steps leaves what the next look mends, or a line in the reflog that
goes with the ticket's branch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar

import pygit2
from attrs import frozen

from scriptorium.code.last_whole import histories, is_on, last_whole
from scriptorium.code.left_merge import is_merging
from scriptorium.code.nofollow import remove_file, write_anew
from scriptorium.code.pins import pin_work
from scriptorium.code.registration import (
    Link,
    Registration,
    is_half_made,
    is_real_folder,
    link_state,
    named_by_head,
    read_head,
    registrations,
    registrations_of,
)
from scriptorium.code.repository import Project
from scriptorium.code.safekeeping import give_ref
from scriptorium.code.salvage import what_is_left
from scriptorium.code.ticket_branch import follow_branch, ticket_branch
from scriptorium.code.wholeness import ObjectsVanished, missing_since
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.refs import RefError, delete_ref, read_ref

T = TypeVar("T")

_TRIES: Final = 3
_HEAD_LOG: Final = Path("logs", "HEAD")
"""Below a worktree's own directory. A reflog goes once it has served: git stumbles over what it names."""


@frozen
class Workplace:
    """Where a ticket is worked on, and the commit of the base branch, which is taken to be whole.

    Without one nothing can be told of what is before a commit, and nothing is mended.
    """

    project: Project
    ticket: TicketId
    worktree: Path
    base: Oid | None


class Files(Enum):
    """Where the files of a commit that is given up are."""

    THERE = "its files are kept"
    LEFT = "what is left of its files is kept"
    GONE = "nothing of it could be kept"


@frozen
class Mended:
    """The commit `lost` is not whole any more. The work goes on from `now`, or from nothing (None)."""

    lost: Oid
    now: Oid | None
    files: Files = Files.THERE

    def __str__(self) -> str:
        if self.now is None:
            where = "" if self.files is Files.GONE else " in a pin"
        else:
            where = f", and the work goes on from {self.now[:10]}"
        return (
            f"git has deleted objects of its commit {self.lost[:10]}; {self.files.value}{where} "
            "(do not run `git gc --prune=now` or `git prune` while scriptorium runs)"
        )


def _tell_nobody(_mended: Mended) -> None:
    """For work that keeps the files and asks no more."""


def on_whole_commits(
    place: Workplace, work: Callable[[], T], tell: Callable[[Mended], None] = _tell_nobody
) -> T:
    """Do `work`, which goes by what a ticket's agent has committed and has a ref keep what it makes of it.

    When git takes objects away of the one or the other it is done again, on commits that are whole; `tell`
    hears of each that was given up for that. Raises what `work` does, and as `mend` does.
    """
    for _ in range(_TRIES - 1):
        try:
            return work()
        except (ObjectsVanished, KeyError, pygit2.GitError):  # libgit2 has many words for what is not there
            mended = mend(place)
            if mended is not None:
                tell(mended)
    return work()


def mend(place: Workplace) -> Mended | None:
    """See to it that a ticket's branch, and HEAD of its worktree, are at commits that are whole.

    A branch goes back to the newest commit that it was at and that is whole, or goes when none can be found.
    No file of the worktree changes. Where the worktree does not hold the files, what is left of them is
    committed on that, or else pinned. None when nothing had to be done.

    Raises:
        RefError: somebody else is moving the branch; try again.
        OSError: the system forbids a step.
    """
    if place.base is None:
        return None
    name = f"refs/heads/{ticket_branch(place.ticket)}"
    found = registrations_of(place.project, place.worktree) if os.path.lexists(place.worktree) else ()
    mended = _mend_branch(place, name, place.base)
    if mended is not None and mended.now is not None and not any(is_merging(one.own_dir) for one in found):
        # Git cannot make a commit of an index that names files which are not there.
        follow_branch(place.project, place.ticket, mended.now, keep_added=True)
    for registration in found:
        at_head = _mend_head(place.project, registration, name, place.base)
        mended = mended or at_head
        if mended is not None:
            remove_file(registration.own_dir, _HEAD_LOG)
    return mended


def _mend_branch(place: Workplace, name: str, base: Oid) -> Mended | None:
    git_dir = place.project.git_dir
    repo = pygit2.Repository(str(git_dir))
    try:
        tip = read_ref(repo, name)
    except RefError:
        return None  # whoever needs the branch says what is wrong with it
    if tip is None or missing_since(git_dir, tip, base) is None:
        return None
    log = git_dir / "logs" / name
    now, files = last_whole(repo, tip, base, log), Files.THERE
    if not _is_in_worktree(place, repo, name, tip):
        left = what_is_left(repo, place.ticket, histories(repo, tip, log), now)
        files = Files.GONE if left is None else Files.LEFT
        if left is not None and now is None:
            pin_work(repo, place.ticket, left)
        else:
            now = left or now
    if now is None:
        delete_ref(repo, name, old=tip)
    else:
        give_ref(repo, name, new=now, old=tip, known=[base])
    remove_file(git_dir, Path("logs", name))
    return Mended(tip, now, files)


def _is_in_worktree(place: Workplace, repo: pygit2.Repository, name: str, tip: Oid) -> bool:
    """Whether the files of the branch `name`, which is at `tip`, are in a worktree of ours, as far as anybody
    can tell: one that is on it, or the ticket's on top of it.
    """
    for one in registrations(place.project):
        if (
            place.project.worktrees_dir not in one.worktree.parents
            or not is_real_folder(place.project, one.worktree)
            or link_state(one) is not Link.SOUND
            or is_half_made(one.own_dir)
        ):
            continue
        head = read_head(one.own_dir)
        if head is not None and head.ref == name:
            return True
        named = named_by_head(repo, one.own_dir) if one.worktree == place.worktree else None
        if named is not None and is_on(repo, named, tip):
            return True
    return False


def _mend_head(project: Project, registration: Registration, name: str, base: Oid) -> Mended | None:
    """HEAD that is not on the ticket's branch is detached at what is whole of it, or put on that branch."""
    git_dir, own_dir = project.git_dir, registration.own_dir
    repo = pygit2.Repository(str(git_dir))
    lost = named_by_head(repo, own_dir)
    if lost is None or missing_since(git_dir, lost, base) is None:
        return None
    whole = last_whole(repo, lost, base, own_dir / _HEAD_LOG)
    write_anew(own_dir / "HEAD", f"{whole or f'ref: {name}'}\n".encode())
    return Mended(lost, whole or read_ref(repo, name))
