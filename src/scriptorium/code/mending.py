"""Going on from a ticket's last whole commit, when git has deleted something of the newer ones.

`git gc --prune=now` and `git prune` delete what no ref has, and a commit has none while an agent's git makes
it: then its tree is gone, or the commit itself. The files lie in the worktree all the same, so they are work
on the commit before. A crash between two steps leaves what the next look mends, or a line in the reflog that
goes with the ticket's branch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import pygit2
from attrs import frozen

from scriptorium.code.left_merge import is_merging, share_history
from scriptorium.code.nofollow import read_small, remove_file, write_anew
from scriptorium.code.registration import NO_COMMIT, Registration, named_by_head, registrations_of
from scriptorium.code.repository import Project, common_dir
from scriptorium.code.ticket_branch import follow_branch, ticket_branch
from scriptorium.code.wholeness import ObjectsVanished, missing_since
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.refs import compare_and_swap, delete_ref, read_ref

T = TypeVar("T")

_TRIES: Final = 3
_LOOKS: Final = 50
"""Commits that are looked at before what a ticket's branch had is given up."""
_REFLOG_LIMIT_BYTES: Final = 16 * 1024 * 1024
_HEAD_LOG: Final = Path("logs", "HEAD")
"""Below a worktree's own directory. A reflog goes once it has served: git stumbles over what it names."""
_LOGGED: Final = re.compile(rb"^([0-9a-f]{40}) [0-9a-f]{40} ", re.MULTILINE)


@frozen
class Workplace:
    """Where a ticket is worked on, and the commit of the base branch, which is taken to be whole.

    Without one nothing can be told of what is before a commit, and nothing is mended.
    """

    project: Project
    ticket: TicketId
    worktree: Path
    base: Oid | None


@frozen
class Mended:
    """The commit `lost` is not whole any more. The work goes on from `now`, or from nothing (None)."""

    lost: Oid
    now: Oid | None

    def __str__(self) -> str:
        on = f"its files are kept, as work on {self.now[:10]}" if self.now else "its files are kept in a pin"
        return (
            f"git has deleted objects of its commit {self.lost[:10]}; {on} "
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
        except (ObjectsVanished, KeyError, pygit2.GitError) as error:
            mended = mend(place)
            if mended is not None:
                tell(mended)
            elif not isinstance(error, ObjectsVanished):
                raise
    return work()


def mend(place: Workplace) -> Mended | None:
    """See to it that a ticket's branch, and HEAD of its worktree, are at commits that are whole.

    A branch goes back to the newest commit that it was at and that is whole, or goes when none can be found.
    No file of the worktree changes. None when nothing had to be done.

    Raises:
        RefError: somebody else is moving the branch; try again.
        OSError: the system forbids a step.
    """
    if place.base is None:
        return None
    name = f"refs/heads/{ticket_branch(place.ticket)}"
    found = registrations_of(place.project, place.worktree) if os.path.lexists(place.worktree) else ()
    mended = _mend_branch(place.project, name, place.base)
    if mended is not None and mended.now is not None and not any(is_merging(one.own_dir) for one in found):
        # Git cannot make a commit of an index that names files which are not there.
        follow_branch(place.project, place.ticket, mended.now)
    for registration in found:
        mended = _mend_head(place.project, registration, name, place.base) or mended
        if mended is not None:
            remove_file(registration.own_dir, _HEAD_LOG)
    return mended


def _mend_branch(project: Project, name: str, base: Oid) -> Mended | None:
    git_dir = project.git_dir
    repo = pygit2.Repository(str(git_dir))
    tip = read_ref(repo, name)
    if tip is None or missing_since(git_dir, tip, base) is None:
        return None
    log = Path("logs", name)
    whole = _last_whole(repo, tip, base, git_dir / log)
    if whole is None:
        delete_ref(repo, name, old=tip)
    else:
        compare_and_swap(repo, name, new=whole, old=tip)
    remove_file(git_dir, log)
    return Mended(tip, whole)


def _mend_head(project: Project, registration: Registration, name: str, base: Oid) -> Mended | None:
    """HEAD that is not on the ticket's branch is detached at what is whole of it, or put on that branch."""
    git_dir, own_dir = project.git_dir, registration.own_dir
    repo = pygit2.Repository(str(git_dir))
    lost = named_by_head(repo, own_dir)
    if lost is None or missing_since(git_dir, lost, base) is None:
        return None
    whole = _last_whole(repo, lost, base, own_dir / _HEAD_LOG)
    write_anew(own_dir / "HEAD", f"{whole or f'ref: {name}'}\n".encode())
    return Mended(lost, whole or read_ref(repo, name))


def _last_whole(repo: pygit2.Repository, lost: Oid, base: Oid, log: Path) -> Oid | None:
    tried = {lost}
    for commit in (*_first_parents(repo, lost), *_logged(log)):
        if commit in tried:
            continue
        tried.add(commit)
        if len(tried) > _LOOKS:
            return None
        whole = missing_since(common_dir(Path(repo.path)), commit, base) is None
        if whole and share_history(repo, commit, base):
            return commit
    return None


def _first_parents(repo: pygit2.Repository, commit: Oid) -> Iterator[Oid]:
    for _ in range(_LOOKS):
        if not isinstance(repo.get(commit), pygit2.Commit):
            return
        parents = repo[commit].peel(pygit2.Commit).parent_ids
        if not parents:
            return
        commit = Oid(str(parents[0]))
        yield commit


def _logged(log: Path) -> Iterator[Oid]:
    """What a ref was at, newest first. An agent can write it: who asks looks at each as at any commit."""
    text = read_small(log, _REFLOG_LIMIT_BYTES) or b""
    for number in reversed(_LOGGED.findall(text)):
        if (commit := Oid(number.decode())) != NO_COMMIT:
            yield commit
