"""Stopping: from any state, nothing new begins, the work is pinned and written down, and nothing is lost."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.harness.interface import AgentOutcome
from scriptorium.server import SubmitAnswer

from .stage import Stage, drafts, good, write

pytestmark = pytest.mark.slow


def stops_here(stage: Stage, *, submits: bool = False) -> list[SubmitAnswer]:
    """Ticket `one` has an agent that is stopped in the middle, and a second one that ends well."""
    answers: list[SubmitAnswer] = []

    async def stopped(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/half.txt", "good half\n")
        stage.stop.set()
        try:
            return await trio.sleep_forever()
        finally:
            if submits:
                with trio.CancelScope(shield=True):
                    answers.append(await submit("In time."))

    stage.cast.coding["one"] = [stopped, good]
    return answers


@pytest.mark.req("V1-05", "V1-19")
async def test_the_work_of_a_stopped_agent_is_pinned_noted_and_continued(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.set_attempts(1)
    stage.tickets(core=drafts("one", "two"), docs=drafts("three"))
    stops_here(stage)
    stage.set(max_agents=1)
    report = await stage.run(until_idle=False)
    assert report.stopped
    assert [job.ticket for job in stage.agents.jobs] == ["0001"]  # nothing after the stop
    (run,) = stage.file("one").ticket.runs
    assert (run.outcome, run.counted) == ("stopped", False)
    (pin,) = stage.refs("refs/scriptorium/work/0001")
    assert stage.show(pin, "parts/half.txt") == "good half"
    assert stage.states() == {"one": "in-progress", "two": "open", "three": "open"}
    stage.assert_sound()
    assert (await stage.run()).leftovers == ()
    stage.assert_finished("one", "two", "three")
    assert "- Attempt 1 stopped" in stage.agents.jobs[0].prompt
    assert stage.show("main", "parts/half.txt") == "good half"


async def test_a_submission_that_is_made_while_stopping_is_accepted(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    answers = stops_here(stage, submits=True)
    await stage.run(until_idle=False)
    assert [answer.accepted for answer in answers] == [True]
    (run,) = stage.file("one").ticket.runs
    assert run.outcome == "submitted"
    assert stage.landed() == []  # no new work: it lands in the next life
    await stage.run()
    stage.assert_finished("one")
    assert stage.agents.jobs == []


async def test_a_stop_while_nothing_is_done_is_over_at_once(stage: Stage, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(100)
        began = trio.current_time()
        stage.stop.set()
    assert trio.current_time() == began
    assert [event.reason for event in stage.heard(events.ServiceStopping)] == ["asked to"]


async def test_an_agent_that_waits_for_the_machine_is_not_waited_for(
    stage: Stage, autojump_clock: MockClock
) -> None:
    from .test_agent import COULD_NOT_START

    async def broken(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        if job.attempt == 3 or stage.cast.played["one"] == 4:
            stage.world.news.publish()
            trio.lowlevel.spawn_system_task(stop_soon)
        return COULD_NOT_START

    async def stop_soon() -> None:
        await trio.sleep(0.5)
        stage.stop.set()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [broken]
    began = trio.current_time()
    await stage.run(until_idle=False)
    assert trio.current_time() - began == pytest.approx(1 + 2 + 4 + 0.5, abs=0.5)
    assert stage.states() == {"one": "in-progress"}
