"""Killed at any step of a transition, the plan is as before or as after; nothing in between, nothing lost."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scriptorium.plan.audit import Severity, audit_history
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.reading import PlanReader
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import CompleteTicket, PreconditionFailed
from tests.plan.plans import OID_B, Plan

ONE = TicketId("0001")
COMPLETE_ONCE = f"""\
import sys
from pathlib import Path
from scriptorium.plan.refs import enable_fsync
enable_fsync()
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import CompleteTicket
PlanRepository(Path(sys.argv[1])).commit(CompleteTicket("0001", "{OID_B}"))
"""


CALLS = ("rename", "link", "fsync", "write")
"""The system calls after which something of a commit may last."""


def killed_at(call: str, step: int, git_dir: Path) -> bool:
    """Complete the ticket in a process that is killed at its `step`th such system call; was it?"""
    inject = f"inject={call}:signal=KILL:when={step}"
    tracer = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    done = subprocess.run(
        [*tracer, sys.executable, "-B", "-c", COMPLETE_ONCE, str(git_dir)], capture_output=True, check=False
    )
    assert done.returncode in {0, -signal.SIGKILL, 128 + signal.SIGKILL}, done.stderr
    return done.returncode != 0


@pytest.mark.req("V1-34")
@pytest.mark.skipif(shutil.which("strace") is None, reason="killing at a system call takes strace")
def test_killed_at_every_durable_step(tmp_path: Path) -> None:
    plan = Plan(tmp_path / "project")
    plan.with_ticket()
    plan.assign(ONE)
    before = plan.enqueue(ONE)
    outcomes: list[TicketState | None] = []
    for call in CALLS:
        for step in range(1, 100):
            copy = tmp_path / f"{call}-{step}"
            shutil.copytree(plan.root, copy)
            was_killed = killed_at(call, step, copy / ".git")
            outcomes.append(look_after(copy, before.commit))
            finish(copy / ".git")
            if not was_killed:
                break
        assert outcomes[-1] is TicketState.DONE
    assert outcomes[0] is TicketState.IN_PROGRESS
    assert len(outcomes) > 10


def look_after(copy: Path, before: Oid) -> TicketState | None:
    """The state of the ticket in a plan that a kill left, which must be as before or as after."""
    snapshot = PlanReader(copy / ".git").read()
    state = snapshot.state_of(ONE)
    assert snapshot.problems == ()
    assert (snapshot.commit == before) == (state is TicketState.IN_PROGRESS)
    assert (snapshot.pending == ()) == (state is TicketState.DONE)
    assert [f for f in audit_history(copy / ".git") if f.severity is Severity.ERROR] == []
    argv = ["git", "-C", str(copy), "fsck", "--strict"]
    fsck = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (fsck.returncode, "error" in fsck.stderr) == (0, False)
    (copy / ".git" / f"{PLAN_REF}.lock").unlink(missing_ok=True)
    return state


def finish(git_dir: Path) -> None:
    """What the next start does: the same transition again, which is done, or is found done."""
    repository = PlanRepository(git_dir)
    try:
        repository.commit(CompleteTicket(ONE, OID_B))
    except PreconditionFailed as failed:
        assert "is done" in failed.reason
    assert repository.read().state_of(ONE) is TicketState.DONE
