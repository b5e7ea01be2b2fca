"""Scriptorium's own worktrees: which there are, and the way in to making and removing them.

Synchronous; for a worker thread. The processes of a ticket's runs are gone by the time anything here writes.
"""

from __future__ import annotations

import os
from pathlib import Path

from attrs import frozen

from scriptorium.code.places import base_worktree, remove_worktree, ticket_of, ticket_worktree, tickets_dir
from scriptorium.code.preparing import Prepared, prepare_base_worktree, prepare_worktree
from scriptorium.code.registration import Registration, is_half_made, is_real_folder, read_head, registrations
from scriptorium.code.repository import Project
from scriptorium.code.spare import discard_spares, retire_worktree
from scriptorium.code.ticket_branch import ticket_branch
from scriptorium.plan.ids import TicketId

__all__ = [
    "Prepared",
    "WorktreeRow",
    "discard_spares",
    "list_worktrees",
    "prepare_base_worktree",
    "prepare_worktree",
    "remove_worktree",
    "retire_worktree",
    "ticket_branch",
    "ticket_worktree",
]


@frozen
class WorktreeRow:
    """One worktree, as the disk and git have it.

    `branch` is what its HEAD is on, None when detached or not known to git. `problem` says what is wrong with
    it, None when nothing is.
    """

    path: Path
    ticket: TicketId | None
    branch: str | None
    problem: str | None = None


def list_worktrees(project: Project) -> tuple[WorktreeRow, ...]:
    """Scriptorium's worktrees, by path: those git knows of, and the folders of tickets that it does not.

    Reads a few small files and changes nothing; the user's own worktrees are not in it.
    """
    rows: dict[Path, WorktreeRow] = {}
    for registration in registrations(project):
        if project.worktrees_dir in registration.worktree.parents:
            rows[registration.worktree] = _row(project, registration)
    for path in (*_folders(project), base_worktree(project)):
        if path not in rows and is_real_folder(project, path):
            rows[path] = WorktreeRow(path, ticket_of(project, path), None, "git does not know it")
    return tuple(rows[path] for path in sorted(rows))


def _row(project: Project, registration: Registration) -> WorktreeRow:
    head = read_head(registration.own_dir)
    problem = None
    if not is_real_folder(project, registration.worktree):
        problem = "its folder is gone"
    elif is_half_made(registration.own_dir):
        problem = "it is not complete yet"
    path = registration.worktree
    return WorktreeRow(path, ticket_of(project, path), head.branch if head else None, problem)


def _folders(project: Project) -> list[Path]:
    if not is_real_folder(project, tickets_dir(project)):
        return []
    return [tickets_dir(project) / name for name in os.listdir(tickets_dir(project))]  # noqa: PTH208
