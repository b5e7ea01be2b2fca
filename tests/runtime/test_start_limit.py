"""Starts that take too long."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorState,
    Backoff,
    ChildSpec,
    Context,
    Intensity,
    StartTimedOut,
    Supervisor,
    SupervisorFailed,
)

from .company import AT_ONCE, Company, Do, crash, nothing


async def test_a_first_start_that_takes_too_long_fails_and_leaves_nothing(
    company: Company, autojump_clock: MockClock
) -> None:
    company.gates["a"] = trio.Event()
    async with Supervisor("top", intensity=Intensity(0)) as supervisor:
        tasks = trio.lowlevel.current_statistics().tasks_living
        with pytest.raises(StartTimedOut, match="'a' had not started after 7 s") as caught:
            await supervisor.start_child(company.spec("a", start_limit_seconds=7.0))
        assert caught.value.__notes__ == ["while actor 'a' was starting"]
        assert trio.current_time() == pytest.approx(7.0)
        assert supervisor.children() == ()
        assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_half_a_minute_is_the_default(company: Company, autojump_clock: MockClock) -> None:
    company.gates["a"] = trio.Event()
    async with Supervisor("top") as supervisor:
        with pytest.raises(StartTimedOut):
            await supervisor.start_child(company.spec("a"))
        assert trio.current_time() == pytest.approx(30.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.start_child, company.spec("a", start_limit_seconds=None))
            await trio.sleep(80_000)
            company.gates["a"].set()


async def test_the_limit_ends_with_the_start(company: Company, autojump_clock: MockClock) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(company.spec("a", start_limit_seconds=1.0))
        await trio.sleep(100)
        assert await ref.ask(Do(nothing)) == "done"
        assert ref.statistics().restarts == 0


async def test_a_restart_that_takes_too_long_is_tried_again_and_counts(
    company: Company, autojump_clock: MockClock
) -> None:
    with pytest.raises(SupervisorFailed) as caught:
        async with Supervisor("top", intensity=Intensity(2, 60.0), backoff=AT_ONCE) as supervisor:
            ref = await supervisor.start_child(company.spec("a", start_limit_seconds=5.0))
            company.gates["a"] = trio.Event()
            await ref.tell(Do(crash))
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, StartTimedOut)
    assert trio.current_time() == pytest.approx(10.0)


async def test_a_start_that_ends_too_late_without_noticing_has_failed(autojump_clock: MockClock) -> None:
    class Deaf(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(10)

        async def handle(self, message: Do) -> None:
            raise AssertionError

    async with Supervisor("top") as supervisor:
        with pytest.raises(StartTimedOut):
            await supervisor.start_child(ChildSpec("deaf", Deaf, start_limit_seconds=5.0))
        assert trio.current_time() == pytest.approx(10.0)


async def test_what_a_start_left_in_the_nursery_ends_with_it(autojump_clock: MockClock) -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("background")

    class Slow(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            context.nursery.start_soon(background)
            await trio.sleep_forever()

        async def handle(self, message: Do) -> None:
            raise AssertionError

    async with Supervisor("top") as supervisor:
        with pytest.raises(StartTimedOut):
            await supervisor.start_child(ChildSpec("slow", Slow, start_limit_seconds=5.0))
        assert ended == ["background"]


async def test_a_child_has_its_own_intensity_and_backoff(company: Company, autojump_clock: MockClock) -> None:
    backoff = Backoff(1000.0, 1000.0)
    with pytest.raises(SupervisorFailed, match=r"2 failures within 60 s, .*'a'"):
        async with Supervisor("top", intensity=Intensity(10), backoff=backoff) as supervisor:
            spec = company.spec("a", intensity=Intensity(1, 60.0), backoff=AT_ONCE)
            ref = await supervisor.start_child(spec)
            other = await supervisor.start_child(company.spec("b"))
            await other.tell(Do(crash))
            await ref.tell(Do(crash))
            await wait_all_tasks_blocked()
            assert other.statistics().state is ActorState.RESTARTING
            assert await ref.ask(Do(nothing)) == "done"
            await ref.tell(Do(crash))
            await trio.sleep_forever()


async def test_the_supervisors_intensity_counts_beside_the_childs(company: Company) -> None:
    with pytest.raises(SupervisorFailed, match=r"2 failures within 30 s, .*'a'"):
        async with Supervisor("top", intensity=Intensity(1, 30.0), backoff=AT_ONCE) as supervisor:
            ref = await supervisor.start_child(company.spec("a", intensity=Intensity(10)))
            for _ in range(2):
                await ref.tell(Do(crash))
                await wait_all_tasks_blocked()
            await trio.sleep_forever()
