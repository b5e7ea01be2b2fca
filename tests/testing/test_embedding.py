"""What a program that embeds scriptorium gets: a world of its own parts, on its own clock."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pygit2
import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors.events import PlannerStarted
from scriptorium.actors.tree import Report
from scriptorium.actors.world import AgentJob, NoVerdict, Role, SubmitToRun, World
from scriptorium.code.evidence import Result, Verdict
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind
from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec
from scriptorium.runtime import ChildRestarting
from scriptorium.testing import (
    START,
    FunctionAgents,
    FunctionChecks,
    ended,
    listen,
    make_world,
    run_virtual,
    run_world,
    sample_project,
)

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


async def the_whole_service(folder: Path) -> tuple[World, Report]:
    project = sample_project(folder, spec="# Greet\n")
    world = make_world(project, FunctionAgents(build), FunctionChecks(), watch_seconds=60)
    report = await run_world(world)
    assert trio.current_time() >= 3 * 3600  # three hours of agents' work, in no time
    return world, report


@pytest.mark.slow
@pytest.mark.req("U-02")
def test_the_whole_service_without_a_process_and_without_waiting(tmp_path: Path) -> None:
    world, report = run_virtual(the_whole_service, tmp_path)
    assert report == Report()
    assert (tmp_path / "greeting.txt").read_text() == "Hello\n"
    assert isinstance(world.agents, FunctionAgents)
    assert [job.role for job in world.agents.jobs] == [Role.ARCHITECT, Role.MANAGER, Role.CODING]
    assert isinstance(world.checks, FunctionChecks)
    assert world.checks.runs == ["base", "0001"]
    last = pygit2.Repository(str(tmp_path)).references[PLAN_REF].peel(pygit2.Commit)
    assert START.timestamp() + 3 * 3600 <= last.commit_time < START.timestamp() + 4 * 3600


@pytest.mark.slow
@pytest.mark.req("U-02")
def test_the_same_seed_is_the_same_plan(tmp_path: Path) -> None:
    """Run ids and the times on the plan branch come from the seed and from virtual time."""
    ids = []
    for name in ("one", "two"):
        world, _ = run_virtual(the_whole_service, tmp_path / name, seed=1)
        assert isinstance(world.agents, FunctionAgents)
        ids.append([job.run_id for job in world.agents.jobs])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


async def delays_before_restarts(folder: Path) -> list[float]:
    """A check with a bug is a crash of the actor that called it; the second time, it works."""
    tries = iter(range(10))

    def check(folder: Path) -> None:
        if next(tries) == 0:
            raise ValueError("a bug of the check")

    project = sample_project(folder, spec="# Greet\n")
    world = make_world(project, FunctionAgents(build), FunctionChecks(check), watch_seconds=60)
    async with listen(world.events, ChildRestarting) as heard:
        assert await run_world(world) == Report()
    return [event.delay_seconds for event in heard.received]


@pytest.mark.slow
def test_the_delays_before_restarts_follow_from_the_seed(tmp_path: Path) -> None:
    one, again, other = (
        run_virtual(delays_before_restarts, tmp_path / str(number), seed=seed)
        for number, seed in enumerate([1, 1, 2])
    )
    assert len(one) == len(other) == 1
    assert one == again != other


async def test_a_world_stops_when_it_is_told_to(tmp_path: Path, autojump_clock: MockClock) -> None:
    world = make_world(sample_project(tmp_path, spec="# Greet\n"), FunctionAgents(build), FunctionChecks())
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            assert (await run_world(world, until_idle=False, stop=stop)).stopped

        nursery.start_soon(run)
        await trio.sleep(60)
        stop.set()
    assert not (tmp_path / "greeting.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("watch_seconds", "noticed_at"), [(1.0, 101), (60.0, 120)])
async def test_how_soon_it_notices_what_others_do(
    tmp_path: Path, autojump_clock: MockClock, watch_seconds: float, noticed_at: float
) -> None:
    project = sample_project(tmp_path)
    agents = FunctionAgents(build)
    world = make_world(project, agents, FunctionChecks(), watch_seconds=watch_seconds)
    stop = trio.Event()
    async with trio.open_nursery() as nursery, listen(world.events, PlannerStarted) as heard:
        nursery.start_soon(partial(run_world, world, until_idle=False, stop=stop))
        await trio.sleep(100.5)
        PlanRepository(project.git_dir).commit(UpdateSpec("# Greet\n"))
        await heard.expect(PlannerStarted, within_seconds=60)
        assert trio.current_time() == noticed_at
        stop.set()


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
