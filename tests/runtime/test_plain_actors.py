"""Actors with and without a nursery start, crash, answer and are watched in the same way."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorState,
    ActorStopped,
    AskCycle,
    Backoff,
    ChildCrashed,
    ChildRestarting,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    DeadLetters,
    Intensity,
    Names,
    Ref,
    Restart,
    StopKind,
    StopReason,
    Strategy,
    Supervisor,
    sole_error,
    watch,
)
from scriptorium.testing import run_virtual

from .clerk import seen_on, stream
from .company import AT_ONCE, Do, crash, nothing
from .kinds import Both, Makes, Plain, Starts, Stops, nap


@pytest.mark.parametrize(("kind", "nurseries"), [(Plain, 0), (Starts, 1), (Stops, 1), (Both, 1)])
async def test_who_can_start_no_task_has_no_nursery(kind: type[Actor[Do]], nurseries: int) -> None:
    async def count() -> int:
        return len(trio.lowlevel.current_task().child_nurseries)

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(ChildSpec("a", kind))
        assert await ref.ask(Do(count)) == nurseries


# ---- the start


@pytest.mark.parametrize("when", ["stopped", "killed"])
async def test_ended_before_its_first_step_it_never_starts(actor: Makes, when: str) -> None:
    made: list[Actor[Do]] = []
    spec, names = actor(name="n"), Names()

    def factory() -> Actor[Do]:
        made.append(spec.factory())
        return made[-1]

    events, news = stream()
    deadline = 0.0 if when == "killed" else None
    async with Supervisor("top", events=events, names=names, stop_deadline_seconds=deadline) as supervisor:
        ref = supervisor.start_child_soon(ChildSpec("a", factory, name="n"))
        ref.tell_nowait(Do(nothing))
        if when == "stopped":
            await supervisor.stop_child("a")
    assert (await watch(ref).wait()).kind is StopKind.SHUTDOWN
    assert made == []
    assert [type(event) for event in await seen_on(news, object)] == [DeadLetters, ChildStopped]
    assert names.registered() == {}


async def start_and_stop_at_once(actor: Makes) -> bool:
    """Whether the stop came before the child's first step."""
    stopped: list[ActorStopped] = []

    async def start() -> None:
        try:
            ref = await supervisor.start_child(actor())
        except ActorStopped as error:
            stopped.append(error)
        else:
            assert ref.stop_reason is None, "who gets a Ref has an actor that has started"

    async with Supervisor("top") as supervisor, trio.open_nursery() as nursery:
        nursery.start_soon(start)
        nursery.start_soon(supervisor.stop_child, "a")
    return bool(stopped)


def test_who_waits_for_a_start_hears_of_a_stop_that_came_before_it(actor: Makes) -> None:
    assert {run_virtual(start_and_stop_at_once, actor, seed=seed) for seed in range(12)} == {True, False}


# ---- a crash


async def test_a_crash_is_the_askers_error_and_the_next_message_is_for_a_new_actor(actor: Makes) -> None:
    events, news = stream()
    async with Supervisor("top", events=events, backoff=AT_ONCE) as supervisor:
        ref = await supervisor.start_child(actor())
        with pytest.raises(ValueError, match="crash"):
            await ref.ask(Do(crash))
        assert await ref.ask(Do(nothing)) == "done"
        statistics = ref.statistics()
    assert (statistics.restarts, statistics.dead_letters) == (1, 1)
    assert statistics.last_error == "ValueError: crash"
    kinds = [type(event) for event in await seen_on(news, object)]
    assert kinds == [ChildStarted, ChildCrashed, DeadLetters, ChildRestarting, ChildStarted, ChildStopped]


async def test_a_group_of_one_error_is_unwrapped(actor: Makes) -> None:
    async def fails() -> None:
        raise ExceptionGroup("all", [ExceptionGroup("of one", [OSError("only")])])

    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        ref = await supervisor.start_child(actor())
        with pytest.raises(OSError, match="only"):
            await ref.ask(Do(fails))


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_is_never_a_crash(actor: Makes, interrupt: type[BaseException]) -> None:
    refs: list[Ref[Do]] = []

    async def interrupted() -> None:
        raise interrupt

    async def main() -> None:
        async with Supervisor("top") as supervisor:
            refs.append(await supervisor.start_child(actor()))
            await refs[0].tell(Do(interrupted))
            await trio.sleep_forever()

    with pytest.raises((interrupt, BaseExceptionGroup)) as caught:
        trio.run(main)
    assert isinstance(sole_error(caught.value), interrupt)
    assert refs[0].stop_reason is not None
    assert refs[0].stop_reason.kind is StopKind.INTERRUPTED


# ---- suspend, ask, watch


async def test_suspended_it_stays_so_over_a_restart(actor: Makes, autojump_clock: MockClock) -> None:
    async with Supervisor("top", strategy=Strategy.ONE_FOR_ALL, backoff=AT_ONCE) as supervisor:
        sibling = await supervisor.start_child(actor("sibling"))
        ref = await supervisor.start_child(actor())
        await ref.suspend()
        await ref.tell(Do(nothing))
        await sibling.tell(Do(crash))
        await trio.sleep(10)
        statistics = ref.statistics()
        assert (statistics.incarnation, statistics.suspended, statistics.mailbox_length) == (2, True, 1)
        assert (await ref.inspect()).statistics == statistics
        ref.resume()
        assert await ref.ask(Do(nothing)) == "done"


async def test_a_suspend_that_waits_for_the_message_at_hand_holds_when_that_crashes(
    actor: Makes, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    async def crash_later() -> None:
        await trio.sleep(1)
        await crash()

    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        ref = await supervisor.start_child(actor())
        await ref.tell(Do(crash_later))
        await ref.tell(Do(nothing))
        await wait_all_tasks_blocked()
        await ref.suspend()
        await trio.sleep(10)
        assert (ref.statistics().incarnation, ref.statistics().mailbox_length) == (2, 1)
        ref.resume()
        assert await ref.ask(Do(nothing)) == "done"


async def test_actors_that_would_wait_for_each_other_are_told(actor: Makes) -> None:
    async with Supervisor("top", intensity=Intensity(10), backoff=AT_ONCE) as supervisor:
        one = await supervisor.start_child(actor("one"))
        two = await supervisor.start_child(actor("two"))

        async def ask_two() -> object:
            return await two.ask(Do(ask_one))

        async def ask_one() -> object:
            return await one.ask(Do(nothing))

        with pytest.raises(AskCycle, match="two asks one asks two"):
            await one.ask(Do(ask_two))
        assert await one.ask(Do(nothing)) == "done"
        assert await one.ask(Do(ask_one_of(two))) == "done"


def ask_one_of(ref: Ref[Do]) -> Callable[[], Awaitable[object]]:
    async def ask() -> object:
        return await ref.ask(Do(nothing))

    return ask


async def test_an_ask_waits_through_a_restart(
    actor: Makes, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    async with Supervisor("top", backoff=Backoff(5.0)) as supervisor:
        ref = await supervisor.start_child(actor())
        await ref.tell(Do(crash))
        await wait_all_tasks_blocked()
        assert ref.statistics().state is ActorState.RESTARTING
        assert ref.statistics().uptime_seconds == 0.0
        assert await ref.ask(Do(nap)) == "done"
        assert ref.statistics().uptime_seconds == pytest.approx(1.0)


async def test_a_watch_tells_of_its_end_for_good(actor: Makes, nursery: trio.Nursery) -> None:
    reasons: list[StopReason] = []

    async def see() -> None:
        reasons.append(await watch(ref).wait())

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(actor(restart=Restart.TEMPORARY))
        nursery.start_soon(see)
        await wait_all_tasks_blocked()
        await ref.tell(Do(crash))
        await wait_all_tasks_blocked()
    assert [(reason.kind, str(reason.error)) for reason in reasons] == [(StopKind.CRASHED, "crash")]
