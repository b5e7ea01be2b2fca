"""The same landing with the `git` program, as a tool that is built on it would do it at its best.

The merge and its commit are made without a working tree (`merge-tree --write-tree`, `commit-tree`), the base
is moved by compare-and-swap (`update-ref`), and the plan is changed in a worktree of its branch: one commit
that names the ticket as the one being landed, one that has it done. Seven commands, none to spare.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.landing.site import BASE, SLUG, branch_of, git
from scriptorium.code.repository import Project
from scriptorium.plan.ids import ticket_id
from scriptorium.plan.layout import TicketState


def make_plan_worktree(project: Project, place: Path) -> Path:
    """The plan's branch, checked out."""
    git("worktree", "add", "-q", str(place), "scriptorium/plan", cwd=project.root)
    return place


def landing_seconds(project: Project, plan: Path, numbers: Iterable[int]) -> list[float]:
    """The seconds of each landing but the first."""
    git("reset", "-q", "--hard", cwd=plan)  # the submissions were put into the plan behind its back
    taken = []
    for number in numbers:
        began = time.perf_counter()
        _land(project, plan, number)
        taken.append(time.perf_counter() - began)
    return taken[1:]


def _land(project: Project, plan: Path, number: int) -> None:
    ticket, branch = ticket_id(number), branch_of(number)
    name = f"{ticket}-{SLUG}.md"
    (entry,) = (plan / "queue/merge/pending").glob(f"*-{ticket}.md")
    active = plan / "queue/merge/active.md"
    active.write_text(f"- Entry: {entry.stem}\n")
    git("add", "--", str(active), cwd=plan)
    git("commit", "-q", "-m", f"start landing {ticket}", cwd=plan)

    base = git("rev-parse", BASE, cwd=project.root)
    tree = git("merge-tree", "--write-tree", base, branch, cwd=project.root)
    message = f"Land ticket {ticket}"
    commit = git("commit-tree", tree, "-p", base, "-p", branch, "-m", message, cwd=project.root)
    git("update-ref", f"refs/heads/{BASE}", commit, base, cwd=project.root)

    start, end = TicketState.IN_PROGRESS.folder, TicketState.DONE.folder
    git("mv", f"{start}/{name}", f"{end}/{name}", cwd=plan)
    active.unlink()
    entry.unlink()
    git("commit", "-q", "-a", "-m", f"complete ticket {ticket}\n\nLanded: {commit}", cwd=plan)
