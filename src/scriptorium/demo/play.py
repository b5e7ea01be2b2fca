"""Plays the demo: makes the sample repository, runs the product on it, and judges what came of it."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import trio
from attrs import frozen
from rich.console import Console

from scriptorium.actors.orchestrator import StopSwitch, run_orchestrator
from scriptorium.code.check_commands import check_commands
from scriptorium.code.evidence import Result, VerdictStore, checks_key
from scriptorium.code.repository import Project, discover, open_repository
from scriptorium.demo.display import Display, open_display
from scriptorium.demo.graph import landings
from scriptorium.demo.progress import Progress
from scriptorium.demo.sample import SPEC, make_repository
from scriptorium.plan.audit import Severity, audit_history
from scriptorium.plan.ids import Oid
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec
from scriptorium.runtime import EventStream, Subscription

BRANCH = "main"
EVENTS_KEPT = 10_000


@frozen
class Outcome:
    """What came of the demo: what is wrong, if anything, and how long it took in seconds."""

    faults: tuple[str, ...]
    stopped: bool
    seconds: float


def prepare(folder: Path) -> Project:
    """Make the sample repository in `folder` with its plan branch and its spec."""
    command = [sys.executable, "-m", "scriptorium.demo.agent"]
    agents = {role: {"harness": "command", "command": command} for role in ("architect", "manager", "coding")}
    make_repository(folder, json.dumps({"agents": agents}, indent=2) + "\n")
    project = discover(folder)
    initialize(project.git_dir)
    PlanRepository(project.git_dir).commit(UpdateSpec(SPEC))
    return project


async def play(project: Project, progress: Progress, console: Console, switch: StopSwitch) -> Outcome:
    """Run scriptorium on the sample until it is idle, and look at what it left."""
    began = trio.current_time()
    events = EventStream()
    with open_display(console, progress) as display, events.subscribe(EVENTS_KEPT) as subscription:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_follow, subscription, progress, display)
            report = await run_orchestrator(
                project.root, port=0, until_idle=True, stop=switch, events=events, owns_process=True
            )
            subscription.close()
    faults = report.leftovers + await trio.to_thread.run_sync(partial(_faults, project, progress))
    return Outcome(faults, report.stopped, trio.current_time() - began)


async def _follow(subscription: Subscription, progress: Progress, display: Display) -> None:
    began = trio.current_time()
    async for event in subscription:
        now = trio.current_time() - began
        progress.take(event, now)
        display.show(event, now)


def _faults(project: Project, progress: Progress) -> tuple[str, ...]:
    """What must hold at the end, looked up in the repository and not in what was said."""
    findings = audit_history(project.git_dir)
    faults = [str(finding) for finding in findings if finding.severity is not Severity.NOTE]
    repository = open_repository(project)
    tree = Oid(str(repository.revparse_single(f"refs/heads/{BRANCH}^{{tree}}").id))
    key = checks_key(check_commands(repository, tree, None))
    verdict = VerdictStore(project.state_dir / "verdicts").get(tree, key)
    if verdict is None or verdict.result is not Result.GREEN:
        faults.append(f"the checks of the branch {BRANCH} have not passed on its last commit")
    if not any(found.trouble for found in progress.tickets.values()):
        faults.append("nothing was reopened, though the script of the demo has a bug and a conflict in it")
    return tuple(faults)


def report(project: Project, progress: Progress, outcome: Outcome, console: Console) -> None:
    """Say what landed, how long each ticket took, and where to look next."""
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    say("\nWhat landed on the branch main:\n")
    for line in landings(project.git_dir, BRANCH):
        say(f"  {line}")
    say("\nHow long each ticket took, from its first assignment to the base branch:\n")
    for ticket, found in sorted(progress.tickets.items()):
        took = "-" if found.seconds is None else f"{found.seconds:.1f} s"
        say(f"  {ticket}  {took:>7}  {found.title}")
        for trouble in found.trouble:
            say(f"                 came back once: {trouble}")
    at_once = f"{progress.most_at_once} agents at once"
    say(f"\n{len(progress.tickets)} tickets in {outcome.seconds:.1f} s, {at_once}.")
    for fault in outcome.faults:
        say(f"FAULT: {fault}")
