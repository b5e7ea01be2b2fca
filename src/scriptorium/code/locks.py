"""Lock files that a kill left behind: git's refs and indexes stay locked until somebody removes them.

Only what can be nobody else's is removed: a user's git program may be at work in the same repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scriptorium.code.checkout import is_our_lock, linked_worktrees
from scriptorium.code.pins import read_landings
from scriptorium.code.repository import Project, open_repository
from scriptorium.plan.refs import PLAN_REF

OWN_REF_FOLDERS = ("refs/heads/scriptorium", "refs/scriptorium")


def remove_stale_locks(project: Project, base_branch: str | None) -> tuple[Path, ...]:
    """Remove the locks that are scriptorium's own; returns those that were there, sorted.

    These are: of the plan branch, the ticket branches and `refs/scriptorium/`; of the index and HEAD of
    scriptorium's own worktrees; of the base branch while a landing is not settled; and of an index of the
    user's that a landing of ours had locked. To be called at start, when the service's own lock is held and
    the processes of all earlier runs are gone.
    """
    removed = [path for path in _candidates(project, base_branch) if _unlink(path)]
    return tuple(sorted(removed))


def _candidates(project: Project, base_branch: str | None) -> Iterator[Path]:
    git_dir = project.git_dir
    yield git_dir / f"{PLAN_REF}.lock"
    for folder in OWN_REF_FOLDERS:
        for parent, _folders, files in os.walk(git_dir / folder):
            yield from (Path(parent, name) for name in files if name.endswith(".lock"))
    if base_branch is not None and read_landings(open_repository(project)):
        yield git_dir / f"refs/heads/{base_branch}.lock"
    if is_our_lock(git_dir / "index.lock"):
        yield git_dir / "index.lock"
    for own, worktree in linked_worktrees(project):
        if project.worktrees_dir in worktree.parents:
            yield from (own / "index.lock", own / "HEAD.lock")
        elif is_our_lock(own / "index.lock"):
            yield own / "index.lock"


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
