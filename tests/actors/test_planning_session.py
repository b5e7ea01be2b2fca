"""One answer of a planning session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from scriptorium.actors.instance import AlreadyRunning
from scriptorium.actors.planning_session import Answer, Desk, Exchange, PlanningFailed, ask_planner, open_desk
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.code.repository import ensure_state_dir
from scriptorium.config import AgentConfig, Agents, Config
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind
from scriptorium.runtime import inline
from scriptorium.testing import FunctionAgents, ended

from .stage import Stage

Act = Callable[[AgentJob], Awaitable[AgentOutcome]]


def desk(stage: Stage, act: Act) -> Desk:
    ensure_state_dir(stage.project)

    async def work(job: AgentJob, submit: SubmitToRun | None) -> AgentOutcome:
        assert submit is None
        return await act(job)

    return Desk(stage.project, Config(), stage.plan.repository, FunctionAgents(work), inline)


def writes_spec(text: str | bytes | None, *, message: str = "Done.", stray: str = "") -> Act:
    async def act(job: AgentJob) -> AgentOutcome:
        await trio.lowlevel.checkpoint()
        if text is not None:
            (job.cwd / "spec.md").write_bytes(text.encode() if isinstance(text, str) else text)
        if stray:
            (job.cwd / stray).write_text("x")
        return ended(message=message)

    return act


async def ask(made: Desk, request: str = "Add it.", talk: tuple[Exchange, ...] = ()) -> Answer | None:
    return await ask_planner(made, request, talk, trio.Event())


@pytest.mark.req("V1-31")
async def test_a_changed_spec_is_one_commit_and_an_unchanged_one_none(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.spec("# Spec\n")
    before = stage.plan.length()
    answer = await ask(desk(stage, writes_spec("# Spec\n\nMore.\n", message="Added it.", stray="notes.txt")))
    assert answer == Answer("Added it.", changed=True, discarded=("notes.txt",))
    assert stage.subjects()[before:] == ["update spec from architect"]
    assert stage.plan.text("spec.md") == "# Spec\n\nMore."
    assert await ask(desk(stage, writes_spec(None))) == Answer("Done.", changed=False, discarded=())
    assert stage.plan.length() == before + 1


async def test_the_agent_is_told_the_request_and_what_was_said_before(
    stage: Stage, autojump_clock: MockClock
) -> None:
    made = desk(stage, writes_spec(None))
    await ask(made, "And $this?", (Exchange("Add it.", "Added."),))
    assert isinstance(made.agents, FunctionAgents)
    (job,) = made.agents.jobs
    assert "And $this?" in job.prompt
    assert "The person:\n\n```\nAdd it.\n```\n\nYou:\n\n```\nAdded.\n```" in job.prompt
    assert list((stage.project.state_dir / "planning" / "scratch").iterdir()) == []


async def test_a_prompt_of_the_repository_that_cannot_be_used_is_said(
    stage: Stage, autojump_clock: MockClock
) -> None:
    made = evolve(desk(stage, writes_spec(None)), config=Config(prompts="tools"))
    with pytest.raises(PlanningFailed, match=r"tools/ on branch .*: there is no such folder; commit it"):
        await ask(made)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (writes_spec(b"\xff\xfe"), "not UTF-8"),
        (writes_spec(" \n"), "empty spec.md"),
    ],
)
async def test_a_spec_that_cannot_be_used_changes_nothing(
    stage: Stage, autojump_clock: MockClock, act: Act, reason: str
) -> None:
    stage.spec("# Spec\n")
    before = stage.tip("scriptorium/plan")
    with pytest.raises(PlanningFailed, match=reason):
        await ask(desk(stage, act))
    assert stage.tip("scriptorium/plan") == before


async def test_a_spec_that_was_removed_or_made_a_link_is_refused(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def removes(job: AgentJob) -> AgentOutcome:
        (job.cwd / "spec.md").unlink()
        return ended()

    async def links(job: AgentJob) -> AgentOutcome:
        (job.cwd / "spec.md").unlink()
        (job.cwd / "spec.md").symlink_to("/etc/hostname")
        return ended()

    stage.spec("# Spec\n")
    for act in (removes, links):
        with pytest.raises(PlanningFailed, match=r"no readable spec\.md"):
            await ask(desk(stage, act))


async def test_an_agent_that_fails_says_why(stage: Stage, autojump_clock: MockClock) -> None:
    async def fails(job: AgentJob) -> AgentOutcome:
        (job.cwd / "spec.md").write_text("half\n")
        return ended(OutcomeKind.FAILED, failure="no more credit")

    before = stage.tip("scriptorium/plan")
    with pytest.raises(PlanningFailed, match="failed with exit code 1: no more credit"):
        await ask(desk(stage, fails))
    assert stage.tip("scriptorium/plan") == before


async def test_an_answer_that_is_stopped_changes_nothing(stage: Stage, autojump_clock: MockClock) -> None:
    stop = trio.Event()

    async def waits(job: AgentJob) -> AgentOutcome:
        (job.cwd / "spec.md").write_text("half\n")
        stop.set()
        return await trio.sleep_forever()

    before = stage.tip("scriptorium/plan")
    assert await ask_planner(desk(stage, waits), "Add it.", (), stop) is None
    assert stage.tip("scriptorium/plan") == before


@pytest.mark.slow
async def test_one_session_at_a_time_and_what_a_killed_one_left_goes(
    stage: Stage, autojump_clock: MockClock
) -> None:
    agent = AgentConfig(harness="command", command=("true",))
    config = Config(agents=Agents(agent, agent, agent))
    left = stage.project.state_dir / "planning" / "scratch" / "left"
    left.mkdir(parents=True)
    autojump_clock.autojump_threshold = 0.01  # real time for the threads
    async with open_desk(stage.project, config):
        assert not left.exists()
        with pytest.raises(AlreadyRunning, match="a planning session is already running"):
            async with open_desk(stage.project, config):
                pass


async def test_a_spec_that_a_person_changed_meanwhile_is_not_overwritten(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.spec()
    agent = writes_spec("# The agent's\n")

    async def meanwhile(job: AgentJob) -> AgentOutcome:
        stage.spec("# A person's\n")
        return await agent(job)

    with pytest.raises(PlanningFailed, match="the spec has changed"):
        await ask_planner(desk(stage, meanwhile), "Go.", (), trio.Event())
    assert stage.snapshot.spec is not None
    assert stage.snapshot.spec.text == "# A person's\n"
