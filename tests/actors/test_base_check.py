"""The base branch's health: what a red one halts, and how it turns green again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.world import AgentJob, NoVerdict, SubmitToRun
from scriptorium.code.check_commands import ADD_TARGET
from scriptorium.harness.interface import AgentOutcome

from .faults import Faulty
from .stage import Stage, drafts, good

pytestmark = pytest.mark.slow

Judge = Callable[[Path], str | NoVerdict | None]


def at_times(answers: list[str | NoVerdict | None], at: list[float]) -> Judge:
    """These answers, one after the other, the last again and again; notes the time of each."""

    def judge(folder: Path) -> str | NoVerdict | None:
        at.append(trio.current_time())
        return answers[min(len(at), len(answers)) - 1]

    return judge


async def while_running(stage: Stage, seconds: float) -> None:
    """One life of so many seconds."""
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(seconds)
        stage.stop.set()


@pytest.mark.req("V1-27", "V1-28")
async def test_while_the_base_is_red_nothing_is_planned_assigned_or_landed(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    stage.spec("# Changed\n")
    stage.judge = lambda folder: "red\n"
    before = stage.tip("scriptorium/plan")
    report = await stage.run()
    assert stage.agents.jobs == []
    assert stage.tip("scriptorium/plan") == before
    assert stage.checks.runs == ["base", "base"]  # confirmed by one re-run
    assert report.leftovers[1].startswith("base red since 20")
    assert [event.state for event in stage.heard(events.BaseHealthChanged)] == ["red"]


@pytest.mark.req("V1-28")
async def test_a_makefile_without_the_target_is_said_with_what_to_do(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.judge = lambda folder: f"red\n{ADD_TARGET}\n"
    report = await stage.run()
    assert report.leftovers[-1].endswith(f": {ADD_TARGET}")


@pytest.mark.req("V1-28")
async def test_a_red_base_is_checked_again_after_one_minute_doubling_to_thirty(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    stage.judge = at_times(["red\n"] * 10 + [None], at)
    stage.tickets(core=drafts("one"))
    await while_running(stage, 6 * 3600)
    minutes = [round((after - before) / 60) for before, after in pairwise(at)]
    assert minutes[:10] == [0, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert stage.states() == {"one": "done"}
    assert [event.state for event in stage.heard(events.BaseHealthChanged)] == ["red", "green"]


@pytest.mark.req("V1-28")
async def test_work_goes_on_by_itself_when_a_person_mends_the_base(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.commit({"parts/broken.txt": "bad\n"})
    stage.tickets(core=drafts("one"))
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(30)
        assert stage.checks.runs == ["base", "base"]
        stage.commit({"parts/broken.txt": "good\n"})
        await trio.sleep(2)
        assert stage.checks.runs[2] == "base"
        stage.stop.set()
    assert stage.states() == {"one": "done"}


@pytest.mark.req("V1-28")
async def test_a_base_that_turns_red_holds_up_the_queue_and_agents_may_still_submit(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def meanwhile(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        stage.commit({"parts/broken.txt": "bad\n"})
        await trio.sleep(10)
        assert not (await stage.world.look()).base_is_green
        return await good(job, submit)

    stage.tickets(core=drafts("one", "two"))
    stage.cast.coding["one"] = [meanwhile]
    report = await stage.run()
    assert stage.states() == {"one": "in-progress", "two": "open"}
    assert "0001 in the merge queue: one" in report.leftovers
    assert stage.landed() == []


async def test_a_verdict_that_could_not_be_had_is_not_kept_and_not_believed(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    stage.judge = at_times([NoVerdict("the disk is full"), NoVerdict("still"), None], at)
    stage.tickets(core=drafts("one"))
    report = await stage.run()
    assert report.leftovers[0] == "base branch main not known to be green: the disk is full"
    assert stage.agents.jobs == []
    at.clear()
    await while_running(stage, 3600)
    assert [round(time - at[0]) for time in at[:3]] == [0, 60, 180]
    assert stage.states() == {"one": "done"}


async def test_red_after_no_verdict_is_confirmed_like_any_red(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    stage.judge = at_times([NoVerdict("the disk is full"), "flaky\n", None], at)
    await while_running(stage, 90)
    assert [round(time - at[0]) for time in at] == [0, 60, 60]
    assert [event.state for event in stage.heard(events.BaseHealthChanged)] == ["green"]


async def test_a_red_of_an_earlier_life_is_looked_at_again_and_a_green_is_not(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.spec()
    stage.judge = lambda folder: "red\n"
    await stage.run()
    assert stage.checks.runs == ["base", "base"]
    stage.judge = lambda folder: None
    stage.cast.areas = {"core": "# Core\n"}
    await stage.run()
    assert stage.checks.runs == ["base"]
    await stage.run()
    assert stage.checks.runs == []


@pytest.mark.req("V1-24")
async def test_the_base_is_checked_in_a_worktree_of_scriptoriums_own(
    stage: Stage, autojump_clock: MockClock
) -> None:
    (stage.root / "parts" / "mine.txt").write_text("bad, uncommitted\n")
    folders: list[Path] = []
    judge = stage.judge

    def looks(folder: Path) -> str | NoVerdict | None:
        folders.append(folder)
        return judge(folder)

    stage.judge = looks
    await stage.run()
    assert folders == [stage.root / ".scriptorium/worktrees/base"]
    assert [event.state for event in stage.heard(events.BaseHealthChanged)] == ["green"]


async def test_nothing_happens_while_there_is_nothing_to_do(stage: Stage, autojump_clock: MockClock) -> None:
    """A day without work: one look at each piece of news, no commit, no run."""
    stage.spec()
    stage.cast.areas = {"core": "# Core\n"}
    await stage.run()
    counting = Faulty()
    stage.offload = counting
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(10)
        settled, tip = counting.calls, stage.tip("scriptorium/plan")
        await trio.sleep(600)
        assert counting.calls == settled
        stage.stop.set()
    assert stage.tip("scriptorium/plan") == tip
    assert stage.agents.jobs == []
    assert stage.checks.runs == []
