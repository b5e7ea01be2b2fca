"""Lock files that a kill left behind: git's refs and indexes stay locked until somebody removes them.

Only what can be nobody else's is removed: a user's git program may be at work in the same repository. Whose a
lock on a ref is, it does not say. But a living program holds one for milliseconds, so what was found is
looked at again a moment later, and goes only if it is still the very same file.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from scriptorium.code.checkout import is_our_lock
from scriptorium.code.linked import linked_worktrees
from scriptorium.code.pins import read_landings
from scriptorium.code.repository import Project, open_repository
from scriptorium.plan.refs import PLAN_REF

OWN_REF_FOLDERS = ("refs/heads/scriptorium", "refs/scriptorium")

STALE_AFTER_SECONDS: Final = 2.0
"""Git itself waits for a lock on a ref for 0.1 s, and on all packed refs for 1 s, before it gives up."""

_PACKED_REFS_LOCK: Final = "packed-refs.lock"
_PACKED_REFS_START: Final = b"# pack-refs"


@frozen
class Lock:
    """A lock file as it was found: another of the same name is another program's.

    `changed_at` is when it was made or last written to, in seconds since the epoch. `marked`: it says itself
    that it is ours.
    """

    path: Path
    inode: int
    size: int
    changed_at: float
    marked: bool


def find_locks(project: Project, base_branch: str | None) -> tuple[Lock, ...]:
    """The locks that are scriptorium's own, unless a git program holds them at this moment; by path.

    These are: of the plan branch, the ticket branches and `refs/scriptorium/`; of the index and HEAD of
    scriptorium's own worktrees; of the base branch while a landing is not settled; of all packed refs when
    it was libgit2 that made it; and of an index of the user's that a landing of ours had locked.
    """
    found = {lock.path: lock for path in _candidates(project, base_branch) if (lock := _look(path))}
    return tuple(found[path] for path in sorted(found))


def need_a_second_look(locks: Collection[Lock], now: float) -> bool:
    """Whether one of them is so young, at `now` (seconds since the epoch), that its maker may be alive."""
    return any(not lock.marked and lock.changed_at > now - STALE_AFTER_SECONDS for lock in locks)


def remove_stale_locks(
    project: Project, base_branch: str | None, found: Collection[Lock] | None = None
) -> tuple[Path, ...]:
    """Remove locks that `find_locks` found, if they are as they were; returns those that were, sorted.

    None given: those that are there now. To be called at start, when the service's own lock is held, the
    processes of all earlier runs are gone, and whoever may be alive had `STALE_AFTER_SECONDS`.
    """
    locks = find_locks(project, base_branch) if found is None else found
    removed = [lock.path for lock in locks if _look(lock.path) == lock and _unlink(lock.path)]
    return tuple(sorted(removed))


def undecided_lock(project: Project) -> Path | None:
    """A lock of all packed refs that does not tell whose it is; while it is there no packed ref can go."""
    path = project.git_dir / _PACKED_REFS_LOCK
    return path if os.path.lexists(path) and not _is_packed_refs(path) else None


def _candidates(project: Project, base_branch: str | None) -> Iterator[Path]:
    git_dir = project.git_dir
    yield git_dir / f"{PLAN_REF}.lock"
    for folder in OWN_REF_FOLDERS:
        for parent, _folders, files in os.walk(git_dir / folder):
            yield from (Path(parent, name) for name in files if name.endswith(".lock"))
    if base_branch is not None and read_landings(open_repository(project)):
        yield git_dir / f"refs/heads/{base_branch}.lock"
    # Git leaves its own lock empty and writes beside it; libgit2 writes into it what is to take its place.
    if _is_packed_refs(git_dir / _PACKED_REFS_LOCK):
        yield git_dir / _PACKED_REFS_LOCK
    if is_our_lock(git_dir / "index.lock"):
        yield git_dir / "index.lock"
    for own, worktree in linked_worktrees(project):
        if project.worktrees_dir in worktree.parents:
            yield from (own / "index.lock", own / "HEAD.lock")
        elif is_our_lock(own / "index.lock"):
            yield own / "index.lock"


def _is_packed_refs(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_PACKED_REFS_START)) == _PACKED_REFS_START
    except OSError:
        return False


def _look(path: Path) -> Lock | None:
    try:
        stat = path.lstat()
    except OSError:
        return None
    return Lock(path, stat.st_ino, stat.st_size, stat.st_ctime, marked=is_our_lock(path))


def _unlink(path: Path) -> bool:
    with suppress(FileNotFoundError):
        path.unlink()
        return True
    return False
