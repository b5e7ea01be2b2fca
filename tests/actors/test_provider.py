"""A provider that does not do its part: nobody's attempt, everybody's pause."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.throttle import CAP_SECONDS, Throttle
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.harness.events import Usage
from scriptorium.harness.faults import ProviderFault
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind, ProcessOutcome
from scriptorium.plan.transitions import UnparkTicket
from scriptorium.testing import ended

from .stage import CORE, PlannerPlay, Play, Stage, drafts, ends, good, t, write

pytestmark = pytest.mark.slow

SEEDED = Random(1)  # noqa: S311 - jitter


def let_down(
    reason: str = "overloaded", fault: ProviderFault = ProviderFault.OVERLOAD, tokens: int | None = None
) -> AgentOutcome:
    process = ProcessOutcome(OutcomeKind.FAILED, exit_code=1)
    return AgentOutcome(process, failure=reason, fault=fault, usage=Usage(tokens, tokens))


def timed(at: list[float], play: Play) -> Play:
    """The same play, with the time at which it begins."""

    async def begin(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        at.append(trio.current_time())
        return await play(job, submit)

    return begin


def waits(at: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(at)]


@pytest.mark.req("CA-07")
async def test_an_overloaded_provider_is_waited_for_longer_and_longer_and_counts_as_no_attempt(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []
    stage.set_attempts(1)
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [timed(at, ends(let_down()))] * 4 + [timed(at, good)]
    assert (await stage.run()).leftovers == ()
    stage.assert_finished("one")
    for wait, least in zip(waits(at), (10, 20, 40, 80), strict=True):
        assert least <= wait <= least * 1.25
    (run,) = stage.file("one").ticket.runs  # a run in which the model did nothing is no run
    assert (run.outcome, run.counted) == ("submitted", False)
    first, *others = (job.prompt for job in stage.agents.jobs)
    assert "What happened before" not in first
    for prompt in others:  # no note says it: the plan branch is no log of an outage
        assert prompt.count("cut short by the provider of its model") == 1
        assert "failed with exit code 1: overloaded" in prompt
    told = [event.what for event in stage.heard(events.Trouble)]
    assert len(told) == 4
    assert "the provider of function: failed with exit code 1: overloaded; no new agent before " in told[0]


@pytest.mark.req("CA-07")
async def test_a_time_that_the_cli_tells_is_kept_to(stage: Stage, autojump_clock: MockClock) -> None:
    at: list[float] = []
    limit = let_down("You've hit your usage limit. Try again in 2 hours.", ProviderFault.QUOTA)
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [timed(at, ends(limit)), timed(at, good)]
    await stage.run()
    (wait,) = waits(at)
    assert 7200 <= wait <= 7260


@pytest.mark.req("CA-07")
async def test_fewer_agents_run_at_once_until_it_recovers(stage: Stage, autojump_clock: MockClock) -> None:
    live: set[str] = set()
    most: list[int] = []
    refused: set[str] = set()

    async def work(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        live.add(job.run_id)
        try:
            most.append(len(live))
            await trio.sleep(1)
            if len(refused) < 4:
                refused.add(job.run_id)
                return let_down()
            return await good(job, submit)
        finally:
            live.discard(job.run_id)

    stage.set(max_agents=4)
    names = [f"n{number}" for number in range(10)]
    stage.tickets(**{f"area-{name}": drafts(name) for name in names})
    stage.cast.coding.update({name: [work] for name in names})
    assert (await stage.run()).leftovers == ()
    assert most[:4] == [1, 2, 3, 4]
    after = most[4:]
    assert max(after[:2]) <= 2
    assert max(after) == 4


@pytest.mark.req("CA-07", "CA-10")
async def test_work_that_a_provider_cut_short_is_written_down_and_does_not_count(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.set_attempts(1)
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [ends(let_down(tokens=1000)), good]
    await stage.run()
    first, second = stage.file("one").ticket.runs
    assert (first.outcome, first.counted, first.tokens_in) == (
        "was let down by the provider of its model",
        False,
        1000,
    )
    assert second.outcome == "submitted"
    assert stage.file("one").ticket.spent.tokens == 2000


@pytest.mark.req("CA-07")
async def test_a_planner_that_was_let_down_has_not_failed(stage: Stage, autojump_clock: MockClock) -> None:
    at: list[float] = []

    async def unlucky(job: AgentJob) -> AgentOutcome:
        at.append(trio.current_time())
        return let_down()

    async def lucky(job: AgentJob) -> AgentOutcome:
        at.append(trio.current_time())
        return await stage.cast.architect(job)

    architects: list[PlannerPlay] = [unlucky, unlucky, lucky]
    stage.set_attempts(1)
    stage.spec()
    stage.cast.areas = {CORE: "# Core\n"}
    stage.cast.drafts = {CORE: drafts("one")}
    stage.cast.architects = architects
    stage.cast.managers = {CORE: [unlucky, stage.cast.manager]}
    assert (await stage.run()).leftovers == ()
    stage.assert_finished("one")
    assert stage.heard(events.PlannerFailed) == []
    assert waits(at[:3])[0] >= 10


async def test_a_service_that_waits_for_a_provider_stops_at_once(
    stage: Stage, autojump_clock: MockClock
) -> None:
    limit = let_down("Try again in 5 hours.", ProviderFault.QUOTA)

    async def refuse(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        stage.stop.set()
        return limit

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [refuse]
    began = trio.current_time()
    await stage.run(until_idle=False)
    assert trio.current_time() - began < 15
    assert stage.states() == {"one": "in-progress"}


@pytest.mark.req("CA-07")
async def test_what_all_runs_of_a_ticket_may_use_holds_over_reopens_and_restarts(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.set(max_runs=3, max_reopens=100)
    stage.set_attempts(2)
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [ends(ended(OutcomeKind.FAILED))]
    report = await stage.run()
    assert report.leftovers == ("0001 stuck: one (to try again: scriptorium unpark 0001)",)
    assert len(stage.agents.jobs) == 3
    assert "it has had 3 runs of an agent (tickets.maxRuns)" in stage.file("one").ticket.reopens[-1].detail
    stage.plan.repository.commit(UnparkTicket(t(1)))
    stage.cast.coding["one"] = [good]
    assert (await stage.run()).leftovers == ()


@pytest.mark.req("CA-07")
@pytest.mark.parametrize(("text", "said"), [("good\n", "The checks pass."), ("bad\n", "fails (see ")])
async def test_an_agent_that_did_not_submit_is_told_what_its_worktree_holds(
    stage: Stage, autojump_clock: MockClock, text: str, said: str
) -> None:
    async def forgets(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/half.txt", text)
        return ended(message="I think I am done.")

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [forgets, good, forgets, good]
    await stage.run()
    second = stage.agents.jobs[1].prompt
    assert "Attempt 1 ended without a submission" in second
    assert "Changed and not submitted:\n  parts/half.txt" in second
    assert said in second


async def test_an_agent_that_did_nothing_is_told_so(stage: Stage, autojump_clock: MockClock) -> None:
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [ends(ended()), good]
    await stage.run()
    assert "It holds no change that is not committed" in stage.agents.jobs[1].prompt


# ---------------------------------------------------------------- the throttle by itself


async def test_many_that_fail_of_one_cause_are_one_fault(autojump_clock: MockClock) -> None:
    throttle = Throttle(8, SEEDED)
    first = throttle.fault()
    assert (throttle.allowed, throttle.until) == (0, trio.current_time() + first)
    for _ in range(7):
        throttle.fault()
    assert throttle.until is not None
    await trio.sleep_until(throttle.until)
    assert throttle.allowed == 4
    throttle.fault()
    assert throttle.until is not None
    assert throttle.until - trio.current_time() >= 20


async def test_it_opens_one_by_one_and_then_needs_nothing(autojump_clock: MockClock) -> None:
    throttle = Throttle(3, SEEDED)
    assert throttle.went_well() is False
    throttle.fault()
    assert [throttle.went_well(), throttle.allowed] == [True, 2]
    assert [throttle.went_well(), throttle.allowed] == [True, 3]
    assert throttle.went_well() is False


async def test_no_wait_is_longer_than_its_cap(autojump_clock: MockClock) -> None:
    throttle = Throttle(1, SEEDED)
    for _ in range(40):
        throttle.fault()
        assert throttle.until is not None
        assert throttle.until - trio.current_time() <= CAP_SECONDS + 60
        await trio.sleep_until(throttle.until)
        assert throttle.allowed == 1
