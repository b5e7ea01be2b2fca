"""A red base branch: since when it is, what a `recheck` does, how soon the work goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.world import NoVerdict
from scriptorium.code.recheck_request import ask_for_recheck, take_recheck
from scriptorium.code.red_since import RED_SINCE_NAME, red_since

from .stage import Stage, drafts
from .test_base_check import at_times, while_running

pytestmark = pytest.mark.slow


def since_told(stage: Stage) -> list[str | None]:
    return [event.since for event in stage.heard(events.BaseHealthChanged)]


@pytest.mark.req("V1-28")
async def test_since_when_it_is_red_outlasts_a_restart_and_ends_with_green(
    stage: Stage, autojump_clock: MockClock
) -> None:
    answers: list[str | NoVerdict | None] = ["red\n", "red\n"]
    stage.judge = lambda folder: answers[0]
    (first,) = (line for line in (await stage.run()).leftovers if "red since" in line)
    (since,) = since_told(stage)
    assert since is not None
    assert since in first
    await trio.sleep(3600)
    assert first in (await stage.run()).leftovers
    assert since_told(stage) == [since]
    assert events.describe(stage.heard(events.BaseHealthChanged)[0]).startswith(
        f"base branch main is red since {since}: `function` fails, see"
    )

    answers[0] = None
    await stage.run()
    assert since_told(stage) == [None]
    assert not (stage.root / ".scriptorium" / RED_SINCE_NAME).exists()
    stage.commit({"parts/more.txt": "x\n"})
    answers[0] = "red again\n"
    await stage.run()
    assert since_told(stage)[0] not in {None, since}


@pytest.mark.req("V1-28")
async def test_a_commit_that_does_not_mend_it_is_news_and_it_is_red_since_the_first(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.commit({"parts/broken.txt": "bad\n"})
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(30)
        stage.commit({"parts/broken.txt": "as bad\n"})
        await trio.sleep(30)
        stage.stop.set()
    assert stage.checks.runs == ["base"] * 4  # each confirmed
    first, second = since_told(stage)
    assert first is not None
    assert first == second


async def test_no_verdict_in_between_does_not_make_it_younger(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    stage.judge = at_times(["red\n", "red\n", NoVerdict("the disk is full"), "red\n"], at)
    await while_running(stage, 1000)
    told = stage.heard(events.BaseHealthChanged)
    assert [event.state for event in told] == ["red", "unknown", "red"]
    assert told[0].since == told[2].since == red_since(stage.root / ".scriptorium", "main")


@pytest.mark.req("V1-28")
async def test_the_work_goes_on_within_a_second_of_the_verdict(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    stage.judge = at_times(["red\n", "red\n", "red\n", None], at)
    stage.tickets(core=drafts("one"))
    stage.raise_curtain()
    assigned: list[float] = []
    async with trio.open_nursery() as nursery:
        with stage.world.events.subscribe(1000) as heard:
            nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
            async for event in heard:
                if isinstance(event, events.TicketAssigned):
                    assigned.append(trio.current_time())
                    break
        stage.stop.set()
    assert [round(time - at[0]) for time in at[:4]] == [0, 0, 60, 180]
    assert assigned[0] - at[3] < 1


async def test_a_base_that_moves_while_it_is_checked_is_checked_again_at_once(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []

    def judge(folder: Path) -> str | None:
        at.append(trio.current_time())
        if len(at) == 1:
            stage.commit({"parts/broken.txt": "good\n"})
        return "red\n" if len(at) <= 2 else None

    stage.judge = judge
    await while_running(stage, 30)
    assert at[2] - at[1] <= 2  # the watcher's tick
    assert [event.state for event in stage.heard(events.BaseHealthChanged)][-1] == "green"


# ---------------------------------------------------------------- recheck


@pytest.mark.req("V1-28")
async def test_a_recheck_has_a_red_base_checked_at_once_and_the_waits_begin_anew(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    stage.judge = at_times(["red\n"] * 6 + [None], at)
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(500)  # 0, 0, 1 min, 3 min, 7 min
        assert len(at) == 5
        ask_for_recheck(stage.root / ".scriptorium")
        await trio.sleep(2)
        assert len(at) == 6
        await trio.sleep(61)
        assert len(at) == 7
        stage.stop.set()
    assert [event.state for event in stage.heard(events.BaseHealthChanged)] == ["red", "green"]


async def test_a_recheck_of_a_green_base_runs_nothing(stage: Stage, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(5)
        ask_for_recheck(stage.root / ".scriptorium")
        await trio.sleep(5)
        stage.stop.set()
    assert stage.checks.runs == ["base"]
    assert not take_recheck(stage.root / ".scriptorium")


async def test_a_recheck_that_is_asked_for_while_the_base_is_checked_is_granted_after_it(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """What was wrong may have been mended after the check had passed the place."""

    def judge(folder: Path) -> str | None:
        if len(stage.checks.runs) == 2:
            stage.world.recheck()
        return "red\n" if len(stage.checks.runs) <= 2 else None

    stage.judge = judge
    await while_running(stage, 5)
    assert stage.checks.runs == ["base"] * 3


async def test_a_request_that_an_earlier_life_left_is_granted_by_the_start(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.judge = lambda folder: "red\n"
    await stage.run()
    ask_for_recheck(stage.root / ".scriptorium")
    await while_running(stage, 30)
    assert stage.checks.runs == ["base"]


@pytest.mark.req("V1-28")
async def test_a_recheck_has_what_could_not_be_checked_tried_at_once(
    stage: Stage, autojump_clock: MockClock
) -> None:
    full = [NoVerdict("the disk is full")] * 4
    judge = stage.judge
    stage.judge = lambda folder: full.pop() if full and folder.name.startswith("0001") else judge(folder)
    stage.tickets(core=drafts("one"))
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(600)
        assert len(full) == 0
        assert stage.states() == {"one": "in-progress"}
        ask_for_recheck(stage.root / ".scriptorium")
        await trio.sleep(2)
        assert stage.states() == {"one": "done"}
        stage.stop.set()
