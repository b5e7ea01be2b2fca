"""Queues of submitted tickets with real checks, and what the parts of landing them cost by themselves."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pygit2

from benchmarks.landing.ours import landing_seconds, landing_times
from benchmarks.landing.site import BASE, SLUG, branch_of, make_repository, plan_tickets, submit
from scriptorium.actors.checks import ProcessChecks
from scriptorium.code.evidence import Result, Verdict, VerdictStore
from scriptorium.code.remote import open_remote
from scriptorium.code.repository import Project, open_repository
from scriptorium.code.worktrees import prepare_worktree, ticket_worktree
from scriptorium.config import Config
from scriptorium.harness.process import ProcessRunner
from scriptorium.plan.ids import Oid, ticket_id

SETTLE_SECONDS = 6.0

MAKE = Config(base_branch=BASE)
"""With nothing configured the check is `make test`."""
TRUE = Config(base_branch=BASE, checks=("true",))
"""A check that costs its process."""


def settle() -> None:
    """Let the disk come to rest, so that what was done before is not measured.

    What is not written yet is written by the next fsync, whosever it is. An ext4 without a journal also
    passes over the inodes of files removed in the last minute (six, where that is not written yet), one by
    one, for each file that is made: 0.3 ms instead of 0.02 after some thousands. So a run for the record
    follows six minutes in which nothing was removed; nor does one remove anything until its end.
    """
    os.sync()
    time.sleep(SETTLE_SECONDS)


def make_queue(folder: Path, files: int, tickets: int) -> Project:
    """A repository with so many tickets, each with the worktree that its agent worked in."""
    project = plan_tickets(make_repository(folder, files), tickets)
    for number in range(1, tickets + 1):
        tip = Oid(str(open_repository(project).branches[branch_of(number)].target))
        prepare_worktree(project, ticket_id(number), SLUG, tip)
    return project


def queue_seconds(
    project: Project, numbers: range, *, durable: bool, config: Config = MAKE, pushes: bool = False
) -> float:
    """From the start of the MergeQueue until all these tickets have landed, each checked as it lands.

    That the base is green is known, as it is when a service has run before. With `pushes` it also has to be
    at the repository's remote, `origin`.
    """
    submit(project, numbers)
    runner = ProcessRunner(project.state_dir / "runs", durable=durable, adopts_orphans=True)
    checks = ProcessChecks(project, config, runner)
    verdicts = VerdictStore(project.state_dir / "verdicts", fsync=durable)
    tip = open_repository(project).branches[BASE].peel(pygit2.Commit)
    tree = Oid(str(tip.tree_id))
    verdicts.put(Verdict(tree, checks.key(tree), Result.GREEN))
    remote = open_remote(project, "origin", BASE) if pushes else None
    began = time.perf_counter()
    times = landing_times(project, len(numbers), lambda: checks, verdicts, remote)
    return times[-1] - began


def check_seconds(project: Project, runs: int) -> float:
    """So many bare runs of `make test`, one after the other, in the worktree of a ticket."""
    worktree = ticket_worktree(project, ticket_id(1), SLUG)
    run: Callable[[], object] = partial(
        subprocess.run, ["make", "test"], cwd=worktree, check=True, capture_output=True
    )
    run()
    began = time.perf_counter()
    for _ in range(runs):
        run()
    return time.perf_counter() - began


def landings_seconds(project: Project, numbers: range) -> float:
    """What so many landings take, checks excluded, the slow ones among them as in a queue.

    The first also starts the actor, so it counts as the mean of the others.
    """
    submit(project, numbers)
    return len(numbers) * statistics.mean(landing_seconds(project, len(numbers)))
