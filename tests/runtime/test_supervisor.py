"""Starting and stopping children: order, grace, cancellation, errors of the block."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorState,
    ActorStopped,
    ChildExists,
    ChildSpec,
    Context,
    Intensity,
    Ref,
    StopKind,
    Supervisor,
    SupervisorStopped,
)

from .company import AT_ONCE, Company, Do, Member, crash, nothing, start_all


async def test_children_stop_in_reverse_start_order(company: Company) -> None:
    async with Supervisor("top") as supervisor:
        for name in "abc":
            await supervisor.start_child(company.spec(name))
        assert [child.name for child in supervisor.children()] == ["a", "b", "c"]
    assert company.diary == ["a starts", "b starts", "c starts", "c stops", "b stops", "a stops"]


async def test_the_order_outlasts_a_restart(company: Company) -> None:
    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        refs = await start_all(supervisor, company, "abc")
        await refs["a"].tell(Do(crash))
        assert await refs["a"].ask(Do(nothing)) == "done"
    assert company.diary == ["a starts", "c stops", "b stops", "a stops"]


@pytest.mark.parametrize(("concurrent", "seconds"), [(False, 6.0), (True, 2.0)])
async def test_concurrent_stop_takes_as_long_as_the_slowest(
    company: Company, autojump_clock: MockClock, concurrent: bool, seconds: float
) -> None:
    async with Supervisor("top", concurrent_stop=concurrent) as supervisor:
        for name in "abc":
            ref = await supervisor.start_child(company.spec(name, stop_grace_seconds=2.0))
            await ref.tell(Do(trio.sleep_forever))
        await wait_all_tasks_blocked()
    assert trio.current_time() == pytest.approx(seconds)


async def test_a_cancelled_block_still_stops_its_children_in_order(company: Company) -> None:
    with trio.CancelScope() as scope:
        async with Supervisor("top") as supervisor:
            await start_all(supervisor, company, "ab")
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert company.diary == ["b stops", "a stops"]


async def test_an_error_of_the_block_comes_out_as_it_is(company: Company) -> None:
    error = ValueError("of the block")
    with pytest.raises(ValueError, match="of the block") as caught:
        async with Supervisor("top") as supervisor:
            await start_all(supervisor, company, "ab")
            raise error
    assert caught.value is error
    assert company.diary == ["b stops", "a stops"]


async def test_a_first_start_that_fails_is_the_callers_error(company: Company) -> None:
    company.failing_starts["a"] = 1
    async with Supervisor("top", intensity=Intensity(0)) as supervisor:
        with pytest.raises(OSError, match="a cannot start") as caught:
            await supervisor.start_child(company.spec("a"))
        assert caught.value.__notes__ == ["while actor 'a' was starting"]
        assert supervisor.children() == ()
        await supervisor.start_child(company.spec("a"))


async def test_a_factory_that_fails_is_a_failed_start(company: Company) -> None:
    def broken() -> Member:
        raise LookupError("no such actor")

    async with Supervisor("top") as supervisor:
        with pytest.raises(LookupError, match="no such actor"):
            await supervisor.start_child(ChildSpec("a", broken))


async def test_a_cancelled_start_leaves_no_child() -> None:
    class NeverStarts(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            await trio.sleep_forever()

        async def handle(self, message: Do) -> None:
            raise AssertionError

    async with Supervisor("top") as supervisor:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(supervisor.start_child, ChildSpec("never", NeverStarts))
                await wait_all_tasks_blocked()
                assert supervisor.children()[0].state is ActorState.STARTING
                scope.cancel()
        await wait_all_tasks_blocked()
        assert supervisor.children() == ()


async def test_leaving_while_a_child_starts_ends_the_start(nursery: trio.Nursery) -> None:
    ended: list[StopKind] = []

    class NeverStarts(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            await trio.sleep_forever()

        async def handle(self, message: Do) -> None:
            raise AssertionError

    async def start(supervisor: Supervisor) -> None:
        with pytest.raises(ActorStopped) as stopped:
            await supervisor.start_child(ChildSpec("never", NeverStarts))
        ended.append(stopped.value.reason.kind)

    async with Supervisor("top") as supervisor:
        nursery.start_soon(start, supervisor)
        await wait_all_tasks_blocked()
    await wait_all_tasks_blocked()
    assert ended == [StopKind.SHUTDOWN]


async def test_ids_are_unique_while_their_child_is_there(company: Company) -> None:
    async with Supervisor("top") as supervisor:
        await supervisor.start_child(company.spec("a"))
        with pytest.raises(ChildExists, match="'top' already has a child 'a'"):
            await supervisor.start_child(company.spec("a"))
        await supervisor.stop_child("a")
        await supervisor.stop_child("a")
        await supervisor.start_child(company.spec("a"))


async def test_outside_its_block_a_supervisor_starts_nothing(company: Company) -> None:
    supervisor = Supervisor("top")
    with pytest.raises(SupervisorStopped, match="'top' is not running"):
        await supervisor.start_child(company.spec("a"))
    async with supervisor:
        pass
    with pytest.raises(SupervisorStopped):
        await supervisor.start_child(company.spec("a"))
    with pytest.raises(RuntimeError, match="entered before"):
        await supervisor.__aenter__()


async def test_an_actor_starts_siblings(company: Company) -> None:
    async with Supervisor("top") as supervisor:
        refs = await start_all(supervisor, company, "a")

        async def hire() -> Ref[Do]:
            return await supervisor.start_child(company.spec("b"))

        hired: Ref[Do] = await refs["a"].ask(Do(hire))
        assert await hired.ask(Do(nothing)) == "done"
    assert company.diary == ["b starts", "b stops", "a stops"]


async def test_a_cancelled_stop_child_still_stops(company: Company, autojump_clock: MockClock) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(company.spec("a", stop_grace_seconds=3.0))
        await ref.tell(Do(trio.sleep_forever))
        await wait_all_tasks_blocked()
        with trio.move_on_after(1) as scope:
            await supervisor.stop_child("a")
        assert scope.cancelled_caught
        assert (await ref.wait_stopped()).kind is StopKind.SHUTDOWN
        assert trio.current_time() == pytest.approx(3)
