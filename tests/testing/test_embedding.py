"""What a program that embeds scriptorium gets: a world of its own parts, on its own clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pygit2
import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors.tree import run_actors
from scriptorium.actors.world import AgentJob, NoVerdict, Role, SubmitToRun
from scriptorium.code.evidence import Result, Verdict, VerdictStore
from scriptorium.code.repository import discover
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind
from scriptorium.plan.ids import Oid
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec
from scriptorium.testing import FunctionAgents, FunctionChecks, ended, make_world

TREE = Oid("a" * 40)


async def build(job: AgentJob, submit: SubmitToRun | None) -> AgentOutcome:
    """One agent for all roles."""
    await trio.sleep(3600)
    match job.role:
        case Role.ARCHITECT:
            (job.cwd / "areas/core.md").write_text("# Core\n")
        case Role.MANAGER:
            text = "# Greet\n\n## Goal\n\nGreet.\n\n## Acceptance Criteria\n\n- It does.\n"
            (job.cwd / "tickets/open/greet.md").write_text(text)
        case Role.CODING:
            assert submit is not None
            (job.cwd / "greeting.txt").write_text("Hello\n")
            assert (await submit("Say hello.")).accepted
    return ended(message="Done.")


@pytest.mark.slow
@pytest.mark.req("U-02")
async def test_the_whole_service_without_a_process_and_without_waiting(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    repo = pygit2.init_repository(str(tmp_path), initial_head="main")
    who = pygit2.Signature("A Person", "person@example.org")
    repo.create_commit("HEAD", who, who, "first", repo.TreeBuilder().write(), [])
    project = discover(tmp_path)
    initialize(project.git_dir)
    PlanRepository(project.git_dir).commit(UpdateSpec("# Greet\n"))
    agents, checks = FunctionAgents(build), FunctionChecks(lambda folder: None)
    world = make_world(project, agents, checks)
    verdicts = VerdictStore(project.state_dir / "verdicts", fsync=False)
    report = await run_actors(world, verdicts, until_idle=True, stop=trio.Event())
    assert report.leftovers == ()
    assert (tmp_path / "greeting.txt").read_text() == "Hello\n"
    assert [job.role for job in agents.jobs] == [Role.ARCHITECT, Role.MANAGER, Role.CODING]
    assert checks.runs == ["base", "0001"]
    assert trio.current_time() >= 3 * 3600  # three hours of agents' work, in no time


async def test_a_function_agent_ends_when_it_is_asked_to(autojump_clock: MockClock, tmp_path: Path) -> None:
    async def forever(job: AgentJob, submit: SubmitToRun | None) -> AgentOutcome:
        return await trio.sleep_forever()

    agents = FunctionAgents(forever)
    job = AgentJob(Role.ARCHITECT, "run", "prompt", tmp_path, tmp_path / "log", 1)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            assert (await agents.run(job, submit=None, stop=stop)).process.kind is OutcomeKind.STOPPED

        nursery.start_soon(run)
        await trio.sleep(10)
        stop.set()
    assert (agents.harness_name(Role.CODING), agents.model(Role.CODING)) == ("function", None)
    assert agents.jobs == [job]


async def test_function_checks_say_what_the_function_says(tmp_path: Path) -> None:
    answers = iter([None, "boom", NoVerdict("no disk")])
    checks = FunctionChecks(lambda folder: next(answers))
    green, red, none = [await checks.run(TREE, tmp_path, "base") for _ in range(3)]
    assert isinstance(green, Verdict)
    assert isinstance(red, Verdict)
    assert (green.result, red.result, red.output_tail) == (Result.GREEN, Result.RED, "boom")
    assert none == NoVerdict("no disk")
    assert (checks.runs, checks.trees) == (["base"] * 3, [TREE] * 3)
    assert green.checks_key == checks.key(TREE)


def test_outcomes_carry_their_exit_code() -> None:
    assert ended().process.exit_code == 0
    assert ended(OutcomeKind.FAILED, failure="why").describe() == "failed with exit code 1: why"


@pytest.mark.slow
def test_it_can_be_imported_without_pytest() -> None:
    program = "import sys, scriptorium.testing; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
