"""Who goes down and comes up with a crashed child."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Backoff,
    ChildCrashed,
    EventStream,
    Restart,
    StopKind,
    Strategy,
    Supervisor,
)
from scriptorium.testing import run_virtual

from .company import AT_ONCE, Company, Do, crash, nothing, start_all


@pytest.mark.parametrize(
    ("strategy", "diary"),
    [
        (Strategy.ONE_FOR_ONE, ["b starts"]),
        (Strategy.REST_FOR_ONE, ["d stops", "c stops", "b starts", "c starts", "d starts"]),
        (
            Strategy.ONE_FOR_ALL,
            ["d stops", "c stops", "a stops", "a starts", "b starts", "c starts", "d starts"],
        ),
    ],
)
async def test_who_is_restarted_with_a_crashed_child(
    company: Company, strategy: Strategy, diary: list[str]
) -> None:
    async with Supervisor("top", strategy=strategy, backoff=AT_ONCE) as supervisor:
        refs = await start_all(supervisor, company, "abcd")
        await refs["b"].tell(Do(crash))
        await wait_all_tasks_blocked()
        assert company.take_diary() == diary
        for ref in refs.values():
            assert await ref.ask(Do(nothing)) == "done"
    assert company.diary == ["d stops", "c stops", "b stops", "a stops"]


async def test_a_temporary_sibling_that_goes_down_too_stays_down(company: Company) -> None:
    async with Supervisor("top", strategy=Strategy.ONE_FOR_ALL, backoff=AT_ONCE) as supervisor:
        temporary = await supervisor.start_child(company.spec("t", restart=Restart.TEMPORARY))
        refs = await start_all(supervisor, company, "a")
        await refs["a"].tell(Do(crash))
        assert (await temporary.wait_stopped()).kind is StopKind.SHUTDOWN
        assert await refs["a"].ask(Do(nothing)) == "done"
    assert company.diary == ["t stops", "a starts", "a stops"]


@pytest.mark.parametrize("strategy", [Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL])
async def test_a_start_that_fails_in_a_group_begins_the_group_again(
    company: Company, strategy: Strategy
) -> None:
    async with Supervisor("top", strategy=strategy, backoff=AT_ONCE) as supervisor:
        refs = await start_all(supervisor, company, "abc")
        company.failing_starts["b"] = 1
        await refs["a"].tell(Do(crash))
        await wait_all_tasks_blocked()
        assert company.diary[:4] == ["c stops", "b stops", "a starts", "b fails to start"]
        again = ["a stops", "a starts"] if strategy is Strategy.ONE_FOR_ALL else []
        assert company.diary[4:] == [*again, "b starts", "c starts"]


async def test_a_halted_sibling_is_started_though_the_crashed_child_is_stopped_meanwhile(
    company: Company, autojump_clock: MockClock
) -> None:
    backoff = Backoff(10.0, 10.0)
    async with Supervisor("top", strategy=Strategy.REST_FOR_ONE, backoff=backoff) as supervisor:
        refs = await start_all(supervisor, company, "abc")
        await refs["b"].tell(Do(crash))
        await wait_all_tasks_blocked()
        await supervisor.stop_child("b")
        assert (await refs["b"].wait_stopped()).kind is StopKind.SHUTDOWN
        assert await refs["c"].ask(Do(nothing)) == "done"
    assert company.diary == ["c stops", "c starts", "c stops", "a stops"]


async def stop_b_when_it_has_failed_twice(events: EventStream, supervisor: Supervisor) -> None:
    with events.subscribe(64) as news:
        async for event in news:
            if isinstance(event, ChildCrashed) and event.incarnation == 2:
                await supervisor.stop_child("b")
                return


async def stop_b_between_its_failure_and_the_next_start(strategy: Strategy) -> None:
    company, events = Company(), EventStream()
    async with (
        trio.open_nursery() as nursery,
        Supervisor("top", strategy=strategy, backoff=AT_ONCE, events=events) as supervisor,
    ):
        refs = await start_all(supervisor, company, "abc")
        nursery.start_soon(stop_b_when_it_has_failed_twice, events, supervisor)
        company.failing_starts["b"] = 1
        await wait_all_tasks_blocked()
        await refs["b"].tell(Do(crash))
        assert (await refs["b"].wait_stopped()).kind is StopKind.SHUTDOWN
        assert await refs["c"].ask(Do(nothing), timeout_seconds=100) == "done"
        assert await refs["a"].ask(Do(nothing), timeout_seconds=100) == "done"


@pytest.mark.parametrize("strategy", [Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL])
def test_a_halted_sibling_is_started_whoever_runs_first_after_the_failed_start(strategy: Strategy) -> None:
    for seed in range(20):  # both orders come up
        run_virtual(stop_b_between_its_failure_and_the_next_start, strategy, seed=seed)


async def test_a_halted_sibling_is_started_though_a_newer_child_crashes_meanwhile(company: Company) -> None:
    async with Supervisor("top", strategy=Strategy.REST_FOR_ONE, backoff=AT_ONCE) as supervisor:
        refs = await start_all(supervisor, company, "ab")
        company.gates["a"] = trio.Event()
        await refs["a"].tell(Do(crash))
        await wait_all_tasks_blocked()
        newer = await supervisor.start_child(company.spec("newer"))
        await newer.tell(Do(crash))
        await wait_all_tasks_blocked()
        company.gates["a"].set()
        await wait_all_tasks_blocked()
        assert company.take_diary() == ["b stops", "newer starts", "a starts", "b starts", "newer starts"]


async def test_an_earlier_crash_during_the_delay_widens_the_group(
    company: Company, autojump_clock: MockClock
) -> None:
    backoff = Backoff(10.0, 10.0)
    async with Supervisor("top", strategy=Strategy.REST_FOR_ONE, backoff=backoff) as supervisor:
        refs = await start_all(supervisor, company, "abc")
        await refs["c"].tell(Do(crash))
        await wait_all_tasks_blocked()
        await refs["a"].tell(Do(crash))
        assert await refs["c"].ask(Do(nothing)) == "done"
        assert company.take_diary() == ["b stops", "a starts", "b starts", "c starts"]
