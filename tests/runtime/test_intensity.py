"""Giving up: when, in which order, and to whom the failure goes."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorState,
    ActorStopped,
    Backoff,
    ChildSpec,
    ChildStopped,
    Context,
    EventStream,
    Intensity,
    Ref,
    StopKind,
    Strategy,
    Supervisor,
    SupervisorFailed,
    SupervisorGaveUp,
)
from scriptorium.testing import listen

from .company import AT_ONCE, Company, Do, crash, nothing, start_all


async def test_past_the_intensity_children_stop_in_reverse_and_the_failure_goes_up(
    company: Company,
) -> None:
    events = EventStream()
    left: list[str] = []
    async with listen(events, ChildStopped | SupervisorGaveUp) as heard:
        with pytest.raises(SupervisorFailed, match=r"'top' gave up: 3 failures within 5 s, .*'b'") as caught:
            async with Supervisor(
                "top", intensity=Intensity(2, 5.0), backoff=AT_ONCE, events=events
            ) as supervisor:
                refs = await start_all(supervisor, company, "abc")
                for _ in range(2):
                    await refs["b"].tell(Do(crash))
                    assert await refs["b"].ask(Do(nothing)) == "done"
                company.take_diary()
                await refs["b"].tell(Do(crash))
                try:
                    await trio.sleep_forever()
                except trio.Cancelled:
                    left.append("block cancelled")
                    raise
    assert left == ["block cancelled"]
    assert isinstance(caught.value.__cause__, ValueError)
    assert company.diary == ["c stops", "a stops"]
    assert [(await ref.wait_stopped()).kind for ref in refs.values()] == [StopKind.GAVE_UP] * 3
    assert [type(event) for event in heard.received].count(ChildStopped) == 3
    assert SupervisorGaveUp in map(type, heard.received)


async def test_crashes_far_apart_are_no_reason_to_give_up(
    company: Company, autojump_clock: MockClock
) -> None:
    async with Supervisor("top", intensity=Intensity(1, 5.0), backoff=AT_ONCE) as supervisor:
        refs = await start_all(supervisor, company, "a")
        for _ in range(10):
            await refs["a"].tell(Do(crash))
            await trio.sleep(6)
        assert refs["a"].statistics().restarts == 10


async def test_failed_starts_count_towards_the_intensity(company: Company) -> None:
    with pytest.raises(SupervisorFailed) as caught:
        async with Supervisor("top", intensity=Intensity(3), backoff=AT_ONCE) as supervisor:
            refs = await start_all(supervisor, company, "a")
            company.failing_starts["a"] = 100
            await refs["a"].tell(Do(crash))
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, OSError)
    assert company.diary == ["a fails to start"] * 3


async def test_failed_starts_within_the_intensity_are_tried_again(company: Company) -> None:
    async with Supervisor("top", intensity=Intensity(3), backoff=AT_ONCE) as supervisor:
        refs = await start_all(supervisor, company, "a")
        company.failing_starts["a"] = 2
        await refs["a"].tell(Do(crash))
        assert await refs["a"].ask(Do(nothing)) == "done"
    assert company.diary == ["a fails to start", "a fails to start", "a starts", "a stops"]


async def test_asks_that_wait_when_the_supervisor_gives_up_end(company: Company) -> None:
    with pytest.raises(SupervisorFailed):
        async with Supervisor("top", intensity=Intensity(0)) as supervisor:
            refs = await start_all(supervisor, company, "a")
            await refs["a"].tell(Do(crash))
            with pytest.raises(ActorStopped) as stopped:
                await refs["a"].ask(Do(nothing))
            assert stopped.value.reason.kind is StopKind.GAVE_UP
            await trio.sleep_forever()


async def test_a_failed_supervisor_is_a_crash_of_the_actor_that_holds_it(company: Company) -> None:
    """Supervisors nest by running in an actor's nursery; the level above restarts the level below."""
    starts: list[Ref[Do]] = []

    class Department(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            await context.nursery.start(self.run)

        async def run(self, task_status: trio.TaskStatus[None]) -> None:
            async with Supervisor("inner", intensity=Intensity(0)) as inner:
                starts.append(await inner.start_child(company.spec("clerk")))
                task_status.started()
                await trio.sleep_forever()

        async def handle(self, message: Do) -> object:
            return await message.work()

    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        department = await supervisor.start_child(ChildSpec("department", Department))
        await starts[0].tell(Do(crash))
        await starts[0].wait_stopped()
        await wait_all_tasks_blocked()
        assert await department.ask(Do(nothing)) == "done"
        assert len(starts) == 2
        assert await starts[1].ask(Do(nothing)) == "done"
        last_error = department.statistics().last_error
        assert last_error is not None
        assert last_error.startswith("SupervisorFailed: supervisor 'inner' gave up")
    assert company.diary == ["clerk starts", "clerk starts", "clerk stops"]


@pytest.mark.parametrize("strategy", Strategy)
async def test_stopping_does_not_wait_for_a_restart_delay(
    company: Company, autojump_clock: MockClock, strategy: Strategy
) -> None:
    async with Supervisor("top", strategy=strategy, backoff=Backoff(1e6, 1e6)) as supervisor:
        refs = await start_all(supervisor, company, "ab")
        for ref in refs.values():
            await ref.tell(Do(crash))
        await wait_all_tasks_blocked()
        await supervisor.stop_child("a")
        assert refs["b"].statistics().state is ActorState.RESTARTING
    assert trio.current_time() == 0
    assert "a starts" not in company.diary
    assert "b starts" not in company.diary


async def test_a_child_stopped_during_its_delay_leaves_no_task(
    company: Company, autojump_clock: MockClock
) -> None:
    async with Supervisor("top", backoff=Backoff(1e6, 1e6)) as supervisor:
        before = trio.lowlevel.current_statistics().tasks_living
        refs = await start_all(supervisor, company, "a")
        await refs["a"].tell(Do(crash))
        await wait_all_tasks_blocked()
        await supervisor.stop_child("a")
        await wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before
