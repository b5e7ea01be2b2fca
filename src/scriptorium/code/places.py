"""Where scriptorium's worktrees are, and clearing such a place of whatever is there."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from scriptorium.code.mending import Workplace, mend, on_whole_commits
from scriptorium.code.pins import pin_work
from scriptorium.code.registration import forget, is_real_folder, registrations_of
from scriptorium.code.removal import TRASH_PREFIX, Trash, open_up
from scriptorium.code.repository import Project, ensure_state_dir, open_repository
from scriptorium.code.work import snapshot_work
from scriptorium.plan.ids import InvalidName, Oid, TicketId, parse_slug, parse_ticket_id

_FOLDER_NAME = re.compile(r"([0-9]{4,9})-[a-z0-9][a-z0-9-]*")

_clearing = threading.Lock()
"""Two threads that clear at once would sweep each other's trash."""


def tickets_dir(project: Project) -> Path:
    """The folder with a worktree per ticket."""
    return project.worktrees_dir / "tickets"


def ticket_worktree(project: Project, ticket: TicketId, slug: str) -> Path:
    """Where the worktree of a ticket is, whether it exists or not; raises `InvalidName`."""
    return tickets_dir(project) / f"{parse_ticket_id(ticket)}-{parse_slug(slug)}"


def base_worktree(project: Project) -> Path:
    """Where the base's health is checked."""
    return project.worktrees_dir / "base"


def ticket_of(project: Project, worktree: Path) -> TicketId | None:
    """The ticket that a worktree's path is for; None when it is no ticket's."""
    named = _FOLDER_NAME.fullmatch(worktree.name)
    if worktree.parent != tickets_dir(project) or named is None:
        return None
    try:
        return parse_ticket_id(named[1])
    except InvalidName:
        return None


def git_name(project: Project, worktree: Path) -> str:
    """What git is to call a worktree of ours; with a number behind it if that was taken."""
    return f"scriptorium-{ticket_of(project, worktree) or 'base'}"


def make_parents(project: Project) -> None:
    """Make the folders that worktrees are in. What is no folder there is in the way of ours, and goes."""
    ensure_state_dir(project)
    for folder in (project.worktrees_dir, tickets_dir(project)):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(folder.lstat().st_mode):
                folder.unlink()
        folder.mkdir(exist_ok=True)


def remove_worktree(project: Project, path: Path, *, base: Oid | None = None) -> None:
    """Take a worktree of scriptorium's away: the folder, and what git knows of it.

    Work that neither the ticket's branch, nor its pins, nor the base (`base`, else as git alone tells it)
    holds is pinned first. A folder that git does not know, and a registration whose folder is gone, are
    taken away too; no link is followed. Doing it again, or after a crash in the middle, is fine.

    Raises:
        ValueError: `path` is not a place of scriptorium's.
        RefError: the work could not be pinned; everything is as it was.
        OSError: the system forbids a step, or the disk is full.
    """
    pin_what_is_there(project, path, base=base)
    discard(project, path)


def pin_what_is_there(project: Project, path: Path, *, base: Oid | None = None) -> None:
    """Pin the work at one of scriptorium's places, so that the folder can go; raises as `remove_worktree`."""
    if path != base_worktree(project) and path.parent != tickets_dir(project):
        raise ValueError(f"{path} is not one of scriptorium's worktrees")
    ticket = ticket_of(project, path)
    if ticket is not None and is_real_folder(project, path):
        open_up(os.fsencode(path))
        place = Workplace(project, ticket, path, base)
        mend(place)  # where a file is gone from git alone, nothing below would miss it
        on_whole_commits(place, partial(_pin, project, path, ticket, base))


def _pin(project: Project, path: Path, ticket: TicketId, base: Oid | None) -> None:
    work = snapshot_work(project, path, ticket, base=base)
    if work is not None:
        pin_work(open_repository(project), ticket, work.commit)


def discard(project: Project, path: Path) -> None:
    """Remove what is at one of scriptorium's places, unseen.

    The folder goes at once, by a rename; a crash while its files are deleted leaves only trash, which the
    next call sweeps up.
    """
    if not is_real_folder(project, path.parent):
        make_parents(project)
    with clearing(project) as trash:
        discard_into(trash, project, path)


def discard_into(trash: Trash, project: Project, path: Path) -> None:
    """Have the trash, which is of `clearing`, take what is at a place, and git forget what was there.

    The folder that the place is in must be a real one.
    """
    if os.path.lexists(path):
        trash.take(os.fsencode(path))
    for registration in registrations_of(project, path):
        forget(registration.own_dir)


@contextlib.contextmanager
def clearing(project: Project) -> Iterator[Trash]:
    """A trash for what is in the folder of worktrees; what a crash left of earlier ones is swept up."""
    around = os.fsencode(project.worktrees_dir)
    with _clearing:
        for left in list(project.worktrees_dir.iterdir()):
            if os.fsencode(left.name).startswith(TRASH_PREFIX):
                # A file of another user's, say: what cannot go is in nobody's way, least of all in `path`'s.
                with contextlib.suppress(OSError), Trash(around) as trash:
                    trash.take(os.fsencode(left))
        with Trash(around) as trash:
            yield trash
