"""The folders of worktrees that went, kept for those to come: a ticket's files are mostly the last one's, and
to write all of them anew takes seconds in a large repository.

Git knows nothing of a spare, and nothing in it is believed: it is brought to the wanted tree file by file.
"""

# Paths are bytes below a worktree: file names of an agent's choosing, which pathlib does not take.
# ruff: noqa: PTH104

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import pygit2

from scriptorium.code.exact import WorktreeBroken, refill
from scriptorium.code.places import clearing, discard, discard_into, pin_what_is_there, ticket_of
from scriptorium.code.registration import Registration, is_real_folder
from scriptorium.code.removal import TRASH_PREFIX, Trash, open_up
from scriptorium.code.repository import Project, open_repository
from scriptorium.code.trees import Folder, Leaf, UnsafeTree, read_tree
from scriptorium.plan.ids import Oid

SPARES: Final = 2
"""Tickets come to their ends one after the other and are followed by others at once: more would lie idle."""

_PREFIX: Final = ".scriptorium-spare-"


def _places(project: Project) -> tuple[Path, ...]:
    """Beside the worktrees, so that a rename does; not where git or `list_worktrees` look for one."""
    return tuple(project.worktrees_dir / f"{_PREFIX}{number}" for number in range(SPARES))


def retire_worktree(project: Project, path: Path, *, base: Oid) -> None:
    """Take a ticket's worktree away as `remove_worktree` does, but keep its folder if a spare is wanted.

    Of the files in it those stay whose names the commit `base` has: what was built there may be large.
    A folder that cannot be kept is deleted. Raises as `remove_worktree` does.
    """
    pin_what_is_there(project, path, base=base)
    wanted = _tree(project, base)
    if wanted is None or ticket_of(project, path) is None or not is_real_folder(project, path):
        discard(project, path)
        return
    with clearing(project) as trash:
        _put_away(project, wanted, path, trash)
        discard_into(trash, project, path)


def _tree(project: Project, commit: Oid) -> Folder | None:
    try:
        return read_tree(open_repository(project), commit)[1]
    except (KeyError, UnsafeTree):
        return None


def _put_away(project: Project, wanted: Folder, path: Path, trash: Trash) -> None:
    """Make the folder at `path` a spare, or leave it there."""
    place = next((place for place in _places(project) if not os.path.lexists(place)), None)
    if place is None:
        return
    # Until it is a spare it is trash: a crash leaves nothing that is large and that nobody sweeps up.
    staged = project.worktrees_dir / f"{os.fsdecode(TRASH_PREFIX)}spare"
    with contextlib.suppress(OSError):
        os.rename(path, staged)
        try:
            _prune(os.fsencode(staged), wanted, trash)
            os.rename(staged, place)
        except OSError:
            os.rename(staged, path)  # whoever deletes it there says what is wrong


def _prune(root: bytes, wanted: Folder, trash: Trash) -> None:
    """Remove what has not the name of a file or folder that is wanted."""
    waiting = [(root, wanted)]
    while waiting:
        where, folder = waiting.pop()
        open_up(where)
        with os.scandir(where) as entries:
            # Read to its end before anything is removed: a folder that changes may be read in part.
            found = list(entries)
        for entry in found:
            want = folder.get(entry.name)
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and isinstance(want, dict):
                waiting.append((entry.path, want))
            elif is_folder or not isinstance(want, Leaf):
                trash.take(entry.path)


def fill_from_spare(
    project: Project, repo: pygit2.Repository, registration: Registration, commit: Oid
) -> bool:
    """Make the folder of a new registration from a spare, as a checkout of `commit`; HEAD is left as it is.

    False when there is no spare, or none that can be used: nothing is then at the folder's place. The
    registration must be marked as half made: until it is finished, what is there may be another ticket's.
    """
    if not _take(project, registration.worktree):
        return False
    try:
        refill(repo, registration, commit)
    except (WorktreeBroken, UnsafeTree, KeyError, OSError, pygit2.GitError):
        # If it is the tree, the disk or a setting, the checkout from nothing copes, or has the better error.
        with contextlib.suppress(OSError), clearing(project) as trash:
            trash.take(os.fsencode(registration.worktree))
        return False
    return True


def _take(project: Project, target: Path) -> bool:
    for place in _places(project):
        # There may be none, and of two threads that are at the same one a rename succeeds for one only.
        with contextlib.suppress(OSError):
            os.rename(place, target)
            return True
    return False


def discard_spares(project: Project) -> None:
    """Delete what is at the places of spares; no link is followed. Raises `OSError` if that is forbidden."""
    if not is_real_folder(project, project.worktrees_dir):
        return
    with clearing(project) as trash:
        for place in _places(project):
            if os.path.lexists(place):
                trash.take(os.fsencode(place))
