"""Repositories whose plan has submitted tickets, and nothing else to do but to land them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pygit2
from attrs import frozen
from pygit2.enums import FileMode

from scriptorium.code.pins import pin_submitted
from scriptorium.code.repository import Project, discover, open_repository
from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import Oid, TicketId, ticket_id
from scriptorium.plan.init import initialize
from scriptorium.plan.layout import TicketState
from scriptorium.plan.message import Kind, Message
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import AssignTicket, Enqueue

BASE = "main"
ELSEWHERE = "elsewhere"
"""The branch that the user has checked out, so that no checkout moves along."""
FILES_IN_FOLDER = 20
SLUG = "a-ticket"
WHO = pygit2.Signature("bench", "bench@localhost")
GIT_ENV = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "hand",
    "GIT_AUTHOR_EMAIL": "hand@localhost",
    "GIT_COMMITTER_NAME": "hand",
    "GIT_COMMITTER_EMAIL": "hand@localhost",
}
TEXT = """\
# Ticket {number}

**Area:** area-{number}

## Goal

The part with the number {number} does what its page says.

## Acceptance Criteria

- `make test` passes

## Notes

None.
"""


def git(*words: str, cwd: Path) -> str:
    """What the git program says."""
    done = subprocess.run(["git", *words], cwd=cwd, env=GIT_ENV, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def path_of(number: int) -> str:
    """A file of the repository; the ticket of that number changes it."""
    return f"src/part{number // FILES_IN_FOLDER}/file{number}.txt"


def branch_of(number: int) -> str:
    """The branch of a ticket."""
    return f"scriptorium/ticket-{ticket_id(number)}"


@frozen
class Seed:
    """A whole plan in one commit: tickets that are open, each of an area of its own."""

    tickets: int

    def apply(self, _snapshot: Snapshot) -> Edits:
        """The edits."""
        writes = {"spec.md": "Many parts.\n"}
        for number in range(1, self.tickets + 1):
            name = f"{TicketState.OPEN.folder}/{ticket_id(number)}-{SLUG}.md"
            writes[name] = TEXT.format(number=number)
        return Edits(Message(Kind.CREATE_TICKETS), writes)


def make_repository(folder: Path, files: int, head: str = ELSEWHERE) -> Path:
    """A repository with so many files in one pack, as after a clone; `head` is checked out in name alone."""
    repository = pygit2.init_repository(str(folder), initial_head=BASE)
    index = pygit2.Index()
    index.add(_entry(repository, "Makefile", "test:\n\t@true\n"))
    for number in range(files):
        index.add(_entry(repository, path_of(number), f"file {number}\n" * 20))
    repository.create_commit(f"refs/heads/{BASE}", WHO, WHO, "first", index.write_tree(repository), [])
    if head != BASE:
        git("branch", head, BASE, cwd=folder)
        repository.set_head(f"refs/heads/{head}")
    git("repack", "-adq", cwd=folder)
    for number in range(256):  # git makes them when they are needed: after a few days they are there
        (folder / ".git" / "objects" / f"{number:02x}").mkdir(exist_ok=True)
    return folder


def open_repository_at(folder: Path) -> pygit2.Repository:
    """The repository that was made there."""
    return open_repository(discover(folder))


def plan_tickets(folder: Path, tickets: int) -> Project:
    """A plan in which so many tickets are in progress, each with a commit on its branch."""
    project = discover(folder)
    initialize(project.git_dir)
    plan = PlanRepository(project.git_dir)
    plan.commit(Seed(tickets))
    repository = open_repository(project)
    for number in range(1, tickets + 1):
        worktree = f".scriptorium/worktrees/tickets/{ticket_id(number)}-{SLUG}"
        plan.commit(AssignTicket(ticket_id(number), branch_of(number), worktree))
        work_on(repository, number)
    return project


def submit(project: Project, numbers: Iterable[int]) -> tuple[TicketId, ...]:
    """Hand these tickets in, and have the plan packed as a service that runs keeps it."""
    repository, plan = open_repository(project), PlanRepository(project.git_dir)
    for number in numbers:
        commit = Oid(str(repository.branches[branch_of(number)].target))
        pin_submitted(repository, ticket_id(number), commit)
        plan.commit(Enqueue(ticket_id(number), branch_of(number), commit, "Change the part.\n\nAll of it."))
    plan.roll_up()
    return tuple(ticket_id(number) for number in numbers)


def work_on(repository: pygit2.Repository, number: int) -> None:
    """A commit upon the first one that changes a file and makes another: independent of all others."""
    first = repository.branches[BASE].peel(pygit2.Commit)
    index = pygit2.Index()
    index.read_tree(first.tree)
    index.add(_entry(repository, path_of(number), f"ticket {number}\n" * 20))
    index.add(_entry(repository, f"new/part{number}.txt", f"ticket {number}\n"))
    tree = index.write_tree(repository)
    repository.create_commit(f"refs/heads/{branch_of(number)}", WHO, WHO, "work", tree, [first.id])


def _entry(repository: pygit2.Repository, path: str, text: str) -> pygit2.IndexEntry:
    return pygit2.IndexEntry(path, repository.create_blob(text.encode()), FileMode.BLOB)
