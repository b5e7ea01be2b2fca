"""How long a stop may take, and what comes when it takes longer."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    ActorState,
    Backoff,
    Intensity,
    StopKind,
    Strategy,
    Supervisor,
    SupervisorFailed,
)
from scriptorium.testing import run_virtual

from .company import AT_ONCE, Company, Do, crash, nothing, start_all


@pytest.mark.parametrize("concurrent", [False, True])
async def test_after_the_deadline_everything_left_is_forced_at_once(
    company: Company, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, concurrent: bool
) -> None:
    async with Supervisor("top", stop_deadline_seconds=5.0, concurrent_stop=concurrent) as supervisor:
        refs = [await supervisor.start_child(company.spec(name, stop_grace_seconds=1000.0)) for name in "abc"]
        for ref in refs:
            await ref.tell(Do(trio.sleep_forever))
        await wait_all_tasks_blocked()
        company.take_diary()
    assert trio.current_time() == pytest.approx(5.0)
    assert company.diary == []
    assert [(await ref.wait_stopped()).kind for ref in refs] == [StopKind.SHUTDOWN] * 3
    assert "forced to end at the stop deadline: a, b, c" in caplog.text


async def test_a_stop_in_time_is_not_forced(company: Company, autojump_clock: MockClock) -> None:
    async with Supervisor("top", stop_deadline_seconds=5.0) as supervisor:
        refs = await start_all(supervisor, company, "ab")

        async def slow() -> None:
            await trio.sleep(2)

        for ref in refs.values():
            await ref.tell(Do(slow))
        await wait_all_tasks_blocked()
    assert trio.current_time() == pytest.approx(2.0)
    assert company.diary == ["b stops", "a stops"]


async def test_the_deadline_also_ends_a_supervisor_that_gives_up(
    company: Company, autojump_clock: MockClock
) -> None:
    with pytest.raises(SupervisorFailed):
        async with Supervisor("top", stop_deadline_seconds=5.0, intensity=Intensity(0)) as supervisor:
            stuck = await supervisor.start_child(company.spec("a", stop_grace_seconds=1000.0))
            await stuck.tell(Do(trio.sleep_forever))
            ref = await supervisor.start_child(company.spec("b"))
            await ref.tell(Do(crash))
            await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(5.0)


async def fail_again_at_the_first_start_of_a_group(strategy: Strategy) -> None:
    company = Company()
    with pytest.raises(SupervisorFailed):
        async with Supervisor(
            "top", strategy=strategy, intensity=Intensity(1), backoff=AT_ONCE
        ) as supervisor:
            refs = await start_all(supervisor, company, "abc")
            company.failing_starts["a"] = 1
            await refs["a"].tell(Do(crash))
            await trio.sleep_forever()
    assert company.diary == ["c stops", "b stops", "a fails to start"]
    assert [ref.statistics().incarnation for ref in refs.values()] == [2, 1, 1]


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_after_giving_up_nothing_is_started_any_more(strategy: Strategy) -> None:
    for seed in range(20):  # whoever runs first: the end, or the restart
        run_virtual(fail_again_at_the_first_start_of_a_group, strategy, seed=seed)


async def test_crashes_at_the_same_moment_are_one_failure_of_a_group(company: Company) -> None:
    """As in OTP, where the exits of siblings that are terminated anyway are not looked at."""
    async with Supervisor(
        "top", strategy=Strategy.ONE_FOR_ALL, intensity=Intensity(1), backoff=AT_ONCE
    ) as supervisor:
        refs = await start_all(supervisor, company, "abc")
        for ref in refs.values():
            ref.tell_nowait(Do(crash))
        await wait_all_tasks_blocked()
        assert supervisor.statistics().recent_restarts == 1
        assert [await ref.ask(Do(nothing)) for ref in refs.values()] == ["done"] * 3


async def test_failures_of_children_of_their_own_do_not_hold_each_other_up(
    company: Company, autojump_clock: MockClock
) -> None:
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        slow = await supervisor.start_child(company.spec("slow", backoff=Backoff(1e6, 1e6)))
        quick = await supervisor.start_child(company.spec("quick"))
        await slow.tell(Do(crash))
        await quick.tell(Do(crash))
        assert await quick.ask(Do(nothing)) == "done"
        assert slow.statistics().state is ActorState.RESTARTING
