"""A program for the kill tests: it does each piece of work in a child that is killed at a given step.

Each argument is a JSON object: `what` to do (`land` or `settle`) in the repository `root`, the `number` of
the step at which to be killed, the `submission`, the landing `commit`, and a commit to which the base is
`moved` once the files have moved, or null.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pygit2

from scriptorium.code.evidence import Result, Verdict, checks_key, evidence_for
from scriptorium.code.landing import land
from scriptorium.code.merge import Merged, merge
from scriptorium.code.repository import Project, discover
from scriptorium.code.settle import settle
from scriptorium.plan.ids import Oid, TicketId


def killing_step(project: Project, number: int, moved: str | None) -> Callable[[str], None]:
    left = number

    def step(name: str) -> None:
        nonlocal left, moved
        if name == "index" and moved is not None:
            repo = pygit2.Repository(str(project.git_dir))
            repo.references["refs/heads/main"].set_target(moved)
            moved = None
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def work(
    *, what: str, root: str, number: int, submission: str = "", commit: str = "", moved: str | None = None
) -> None:
    project = discover(Path(root))
    step = killing_step(project, number, moved)
    if what == "settle":
        settle(project, "main", step=step)
        return
    base = Oid(str(pygit2.Repository(root).references["refs/heads/main"].target))
    merged = merge(project, base, Oid(submission))
    if not isinstance(merged, Merged):
        raise TypeError(merged)
    evidence = evidence_for(merged, Verdict(merged.tree, checks_key([]), Result.GREEN))
    land(project, "main", TicketId("0001"), evidence, Oid(commit), step=step)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        if (child := os.fork()) == 0:
            work(**json.loads(argument))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(f"not killed: {argument}")
