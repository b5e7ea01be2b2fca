"""Somebody puts a file where a folder of the plan belongs while the service runs: it waits, and says so."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.harness.interface import AgentOutcome

from .stage import Stage, drafts, good, until_landed

pytestmark = pytest.mark.slow

DONE, KEEP = "tickets/done", "tickets/done/.gitkeep"


async def test_work_goes_on_when_the_file_is_gone(stage: Stage, autojump_clock: MockClock) -> None:
    async def last(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        stage.plan.by_hand({DONE: b"Not a folder.\n"}, (KEEP,))
        return await good(job, submit)

    stage.tickets(core=drafts("one"), docs=drafts("two"))
    stage.cast.coding["one"] = [last]
    stage.raise_curtain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(stage.run, until_idle=False, new=False))
        with trio.fail_after(7200):
            while stage.world.plan.blocked is None:
                await stage.world.news.next_change().wait()
            assert stage.world.conditions.lines() == (stage.world.plan.blocked,)
            await trio.sleep(3600)
            stage.plan.by_hand({KEEP: b""}, (DONE,))
            await until_landed(stage, 2)
        assert stage.world.conditions.lines() == ()
        stage.stop.set()
    assert len(stage.agents.jobs) == 2


async def test_a_run_until_idle_ends_and_names_it(stage: Stage, autojump_clock: MockClock) -> None:
    async def last(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        stage.plan.by_hand({DONE: b"Not a folder.\n"}, (KEEP,))
        return await good(job, submit)

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [last]
    with trio.fail_after(7200):
        report = await stage.run()
    assert any(DONE in line for line in report.leftovers)
