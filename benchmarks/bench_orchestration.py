"""What orchestrating a ticket costs, against the same git work done by hand with the `git` program.

One ticket after the other, in one run on one disk: by hand (worktree add, commit, merge base, `make test`,
fast-forward, worktree remove), and by scriptorium, from before the commit `assign ticket` to after the commit
`complete ticket`, with an agent in this process that changes one file at once. Beside it, the same with a
child process as the agent. Prints a table, or JSON with `--json`; exit 1 when a target is missed.

On a disk it is mostly a matter of files. With twelve tickets, counted with `strace`, one makes 49 files and 5
folders by hand and 47 and 3 by scriptorium, renames 12 and 33, and removes 37 and 45 files. Where free blocks
are told to the disk at once (`discard`), each file that goes after it was written out takes 0.2 to 2 ms.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pygit2
import trio

from scriptorium.actors.checks import ProcessChecks
from scriptorium.actors.orchestrator import run_orchestrator
from scriptorium.actors.tree import run_actors
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.code.evidence import VerdictStore
from scriptorium.code.repository import Project, discover
from scriptorium.config import Config
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.process import ProcessRunner
from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import AreaName
from scriptorium.plan.init import initialize
from scriptorium.plan.refs import enable_fsync
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.store import PlanStore
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateTickets,
    Transition,
    UpdateAreas,
    UpdateSpec,
)
from scriptorium.runtime import EventStream, in_thread
from scriptorium.testing import FunctionAgents, ended, make_world

AREA = AreaName("work")
OFF_TARGET = 1.0
"""Times by hand, fsync off."""
ON_TARGET_FSYNCS = 120
"""By hand plus this many fsyncs, fsync on."""
GIT_ENV = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "hand",
    "GIT_AUTHOR_EMAIL": "hand@localhost",
    "GIT_COMMITTER_NAME": "hand",
    "GIT_COMMITTER_EMAIL": "hand@localhost",
}


def make_repository(folder: Path) -> None:
    """A small repository, not quite new: git's 256 folders for objects are there, as after a few days."""
    repository = pygit2.init_repository(str(folder), initial_head="main")
    for number in range(256):
        (folder / ".git" / "objects" / f"{number:02x}").mkdir(exist_ok=True)
    files = {"Makefile": "test:\n\t@true\n", **{f"src/file{number}.txt": "text\n" for number in range(10)}}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        repository.index.add(path)
    repository.index.write()
    who = pygit2.Signature("bench", "bench@localhost")
    repository.create_commit("HEAD", who, who, "first", repository.index.write_tree(), [])


def run(*words: str, cwd: Path) -> None:
    subprocess.run(words, cwd=cwd, env=GIT_ENV, check=True, capture_output=True)


def by_hand(folder: Path, tickets: int) -> list[float]:
    """Seconds for each ticket, done with the git program."""
    make_repository(folder)
    taken = []
    for number in range(tickets):
        began = time.perf_counter()
        worktree = folder.parent / f"hand-{number}"
        run("git", "worktree", "add", "-q", "-b", f"t/{number}", str(worktree), "main", cwd=folder)
        (worktree / f"new{number}.txt").write_text("new\n")
        run("git", "add", "-A", cwd=worktree)
        run("git", "commit", "-q", "-m", "work", cwd=worktree)
        run("git", "merge", "-q", "main", cwd=worktree)
        run("make", "test", cwd=worktree)
        run("git", "merge", "-q", "--ff-only", f"t/{number}", cwd=folder)
        run("git", "worktree", "remove", str(worktree), cwd=folder)
        taken.append(time.perf_counter() - began)
    return taken


class TimedPlan(PlanStore):
    """Notes when each ticket's assignment begins and when its completion has been committed."""

    def __init__(self, repository: PlanRepository, announce: Callable[[Snapshot], None]) -> None:
        super().__init__(repository, in_thread, announce)
        self.began: dict[str, float] = {}
        self.taken: list[float] = []

    async def commit(self, transition: Transition) -> Snapshot:
        if isinstance(transition, AssignTicket):
            self.began[transition.ticket] = time.perf_counter()
        snapshot = await super().commit(transition)
        if isinstance(transition, CompleteTicket):
            self.taken.append(time.perf_counter() - self.began[transition.ticket])
        return snapshot


def plan_tickets(folder: Path, tickets: int) -> Project:
    """A repository whose plan has so many open tickets in one area, so that one is worked on at a time."""
    make_repository(folder)
    project = discover(folder)
    initialize(project.git_dir)
    plan = PlanRepository(project.git_dir)
    spec = plan.commit(UpdateSpec("# Bench\n\nMany small files.\n")).spec
    assert spec is not None
    snapshot = plan.commit(UpdateAreas(spec.oid, {AREA: "# Work\n\nAll of it.\n"}))
    text = "# Ticket {0}\n\n## Goal\n\nAdd new{0}.txt\n\n## Acceptance Criteria\n\n- there\n\n## Notes\n\n-\n"
    files = {f"ticket-{number}.md": text.format(number).encode() for number in range(tickets)}
    drafts = validate_drafts(AREA, files, snapshot)
    plan.commit(CreateTickets(AREA, snapshot.areas[AREA].oid, drafts, 0))
    return project


async def with_function(project: Project, *, fsync: bool) -> list[float]:
    """Seconds for each ticket, with an agent in this process."""

    async def work(job: AgentJob, submit: SubmitToRun | None) -> AgentOutcome:
        (job.cwd / f"new{job.ticket}.txt").write_text("new\n")
        assert submit is not None
        answer = await submit("done")
        assert answer.accepted, answer.message
        return ended()

    runner = ProcessRunner(project.state_dir / "runs", durable=fsync, adopts_orphans=True)
    config = Config()
    checks = ProcessChecks(project, config, runner)
    world = make_world(project, FunctionAgents(work), checks, config=config, offload=in_thread)
    plan = TimedPlan(PlanRepository(project.git_dir), lambda _snapshot: world.news.publish())
    world.plan = plan
    verdicts = VerdictStore(project.state_dir / "verdicts", fsync=False)
    report = await run_actors(world, verdicts, until_idle=True, stop=trio.Event())
    assert not report.leftovers, report.leftovers
    return plan.taken


async def with_process(project: Project) -> list[float]:
    """Seconds for each ticket, with a child process that submits over HTTP."""
    program = (
        "import os, pathlib; from scriptorium.server.client import submit_pr;"
        "pathlib.Path('new' + os.environ['SCRIPTORIUM_TICKET']).write_text('new');"
        "submit_pr(os.environ['SCRIPTORIUM_MCP_URL'], os.environ['SCRIPTORIUM_MCP_TOKEN'], 'done')"
    )
    agent = {"harness": "command", "command": [sys.executable, "-c", program]}
    (project.root / "scriptorium.json").write_text(json.dumps({"agents": {"coding": agent}}))
    events = EventStream()
    taken: list[float] = []
    with events.subscribe(10_000) as subscription:
        async with trio.open_nursery() as nursery:

            async def follow() -> None:
                began: dict[str, float] = {}
                async for event in subscription:
                    name = type(event).__name__
                    if name == "TicketAssigned":
                        began[event.ticket] = time.perf_counter()  # type: ignore[attr-defined]
                    elif name == "Landed":
                        taken.append(time.perf_counter() - began[event.ticket])  # type: ignore[attr-defined]

            nursery.start_soon(follow)
            report = await run_orchestrator(project.root, port=0, until_idle=True, events=events)
            subscription.close()
    assert not report.leftovers, report.leftovers
    return taken


def fsync_seconds(folder: Path, times: int = 40) -> list[float]:
    """What an fsync of a small new file takes on this disk, so many times."""
    taken = []
    folder.mkdir(parents=True)
    for number in range(times):
        with (folder / str(number)).open("wb") as file:
            file.write(b"x" * 200)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return taken


def measure(folder: Path, tickets: int, rounds: int) -> dict[str, float]:
    """All figures in milliseconds, from one run: medians over tickets, and the mean fsync.

    In rounds, each with everything, so that whatever else the machine does is in all of them alike. By hand
    and by scriptorium come first in turns: what the one has just deleted makes the disk slower for the other.
    """
    hand: list[float] = []
    fsync: list[float] = []
    off: list[float] = []
    on: list[float] = []
    child: list[float] = []
    for number in range(rounds):
        place = folder / str(number)
        enable_fsync(on=False)
        for is_ours in (False, True) if number % 2 == 0 else (True, False):
            if is_ours:
                plain = plan_tickets(place / "off", tickets)
                off += trio.run(functools.partial(with_function, plain, fsync=False))
            else:
                hand += by_hand(place / "hand", tickets)
        fsync += fsync_seconds(place / "fsync")
        enable_fsync(on=True)
        durable = plan_tickets(place / "on", tickets)
        on += trio.run(functools.partial(with_function, durable, fsync=True))
        child += trio.run(with_process, plan_tickets(place / "child", tickets))
    figures = {
        name: statistics.median(taken) * 1000
        for name, taken in {
            "by_hand_ms": hand,
            "fsync_off_ms": off,
            "fsync_on_ms": on,
            "child_process_ms": child,
        }.items()
    }
    figures["fsync_ms"] = statistics.mean(fsync) * 1000
    by_hand_ms = figures["by_hand_ms"]
    return {
        **figures,
        "fsync_off_ratio": figures["fsync_off_ms"] / by_hand_ms,
        "fsync_on_bound_ms": by_hand_ms + ON_TARGET_FSYNCS * figures["fsync_ms"],
        "child_process_ratio": figures["child_process_ms"] / by_hand_ms,
    }


def show(found: dict[str, float], tickets: int, *, off_met: bool, on_met: bool) -> None:
    """The table for people."""
    hand = found["by_hand_ms"]

    def row(name: str, milliseconds: float, note: str = "") -> None:
        print(f"  {name:<38} {milliseconds:8.1f} ms {milliseconds / hand:7.2f}x  {note}".rstrip())

    print(f"one ticket from assignment to done, median of {tickets}, and as a multiple of by hand")
    row("by hand, with the git program", hand)
    row("scriptorium, fsync off", found["fsync_off_ms"], f"target {OFF_TARGET:.1f}x: {_met(off_met)}")
    bound = found["fsync_on_bound_ms"]
    row(
        "scriptorium, fsync on",
        found["fsync_on_ms"],
        f"target by hand + {ON_TARGET_FSYNCS} fsyncs = {bound:.0f} ms: {_met(on_met)}",
    )
    row("scriptorium, child process, fsync on", found["child_process_ms"])
    print(f"one fsync, mean: {found['fsync_ms']:.2f} ms")


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tickets", type=int, default=8, help="in each round")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scriptorium-bench-") as folder:
        found = measure(Path(folder), options.tickets, options.rounds)
    off_met = found["fsync_off_ratio"] <= OFF_TARGET
    on_met = found["fsync_on_ms"] <= found["fsync_on_bound_ms"]
    if options.json:
        print(json.dumps({**found, "met": off_met and on_met}))
    else:
        show(found, options.tickets * options.rounds, off_met=off_met, on_met=on_met)
    return 0 if off_met and on_met else 1


if __name__ == "__main__":
    sys.exit(main())
