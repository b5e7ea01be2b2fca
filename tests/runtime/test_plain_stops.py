"""Actors with and without a nursery are stopped, drained and killed in the same way."""

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    ActorHung,
    ActorState,
    ActorStopped,
    DeadLetterCause,
    DeadLetters,
    StopKind,
    Supervisor,
    watch,
)

from .clerk import seen_on, stream
from .company import AT_ONCE, Do, nothing
from .kinds import Makes, nap, shielded


async def test_at_a_stop_the_message_at_hand_is_finished_and_the_rest_is_dead(
    actor: Makes, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    replies: list[str] = []

    async def ask() -> None:
        replies.append(await ref.ask(Do(nap)))

    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        ref = await supervisor.start_child(actor())
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        left = Do(nothing)
        await ref.tell(left)
    assert replies == ["done"]
    assert trio.current_time() == pytest.approx(1.0)
    assert await seen_on(news, DeadLetters) == [DeadLetters("top", "a", 1, (left,), DeadLetterCause.STOP)]


async def test_a_message_that_outlasts_the_grace_is_cancelled(
    actor: Makes, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    ended: list[StopKind] = []

    async def ask() -> None:
        with pytest.raises(ActorStopped) as stopped:
            await ref.ask(Do(trio.sleep_forever))
        ended.append(stopped.value.reason.kind)

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(actor(stop_grace_seconds=3.0))
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        nursery.start_soon(supervisor.stop_child, "a")
        await wait_all_tasks_blocked()
        assert ref.statistics().state is ActorState.STOPPING
        reason = await watch(ref).wait()
    assert (reason.kind, reason.error) == (StopKind.SHUTDOWN, None)
    assert trio.current_time() == pytest.approx(3.0)
    assert (ended, ref.statistics().dead_letters) == ([StopKind.SHUTDOWN], 1)


async def test_an_error_while_it_is_cancelled_by_the_stop_is_told_and_no_restart(actor: Makes) -> None:
    async def fails_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in finally")

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(actor(stop_grace_seconds=0))
        await ref.tell(Do(fails_when_cancelled))
        await wait_all_tasks_blocked()
    reason = await ref.wait_stopped()
    assert (reason.kind, str(reason.error)) == (StopKind.SHUTDOWN, "in finally")
    assert ref.statistics().restarts == 0


@pytest.mark.parametrize(("seconds", "handled", "ended"), [(10.0, 4, 4.0), (2.5, 3, 3.0), (1.0, 1, 1.0)])
async def test_it_drains_for_as_long_as_it_may(
    actor: Makes, autojump_clock: MockClock, seconds: float, handled: int, ended: float
) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(actor(drain_seconds=seconds))
        for _ in range(4):
            await ref.tell(Do(nap))
        await wait_all_tasks_blocked()
    assert (ref.statistics().handled, ref.statistics().dead_letters) == (handled, 4 - handled)
    assert trio.current_time() == pytest.approx(ended)


async def test_a_cancellation_from_outside_reaches_the_supervisor_and_not_the_message(
    actor: Makes, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    replies: list[str] = []

    async def ask() -> None:
        replies.append(await ref.ask(Do(nap)))

    with trio.CancelScope() as scope:
        async with Supervisor("top") as supervisor:
            ref = await supervisor.start_child(actor())
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            scope.cancel()
            await trio.sleep_forever()
    await wait_all_tasks_blocked()
    assert scope.cancelled_caught
    assert replies == ["done"]
    assert ref.stop_reason is not None
    assert ref.stop_reason.kind is StopKind.SHUTDOWN


# ---- a kill


async def test_killed_while_it_handles_a_message_it_ends_at_once(
    actor: Makes, autojump_clock: MockClock
) -> None:
    async with Supervisor("top", stop_deadline_seconds=5.0) as supervisor:
        ref = await supervisor.start_child(actor(stop_grace_seconds=1e6))
        await ref.tell(Do(trio.sleep_forever))
        await wait_all_tasks_blocked()
    assert trio.current_time() == pytest.approx(5.0)
    assert (await ref.wait_stopped()).kind is StopKind.SHUTDOWN
    assert ref.statistics().dead_letters == 1


async def test_a_hang_is_a_crash(actor: Makes, autojump_clock: MockClock) -> None:
    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        ref = await supervisor.start_child(actor(hang_limit_seconds=8.0))
        await trio.sleep(100)  # idle is no hang
        with pytest.raises(ActorHung, match="'a' made no progress for 8 s"):
            await ref.ask(Do(trio.sleep_forever))
        assert 108 <= trio.current_time() <= 110
        assert await ref.ask(Do(nothing)) == "done"
        assert ref.statistics().restarts == 1


async def test_after_a_hang_that_no_cancellation_reached_the_next_message_is_for_the_next_actor(
    actor: Makes, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    replies: list[str] = []

    async def ask(work: Do) -> None:
        replies.append(await ref.ask(work))

    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        ref = await supervisor.start_child(actor(hang_limit_seconds=8.0))
        nursery.start_soon(ask, Do(partial(shielded, 20.0)))
        await wait_all_tasks_blocked()
        await ask(Do(nap))
        assert (ref.statistics().incarnation, ref.statistics().dead_letters) == (2, 0)
    assert replies == ["done", "done"]


async def test_killed_while_it_drains_it_begins_no_other_message(
    actor: Makes, autojump_clock: MockClock
) -> None:
    begun: list[str] = []

    async def begin() -> None:
        begun.append("the next one")

    async with Supervisor("top", stop_deadline_seconds=5.0) as supervisor:
        ref = await supervisor.start_child(actor(drain_seconds=1e6))
        await ref.tell(Do(partial(shielded, 20.0)))
        await ref.tell(Do(begin))
        await wait_all_tasks_blocked()
    assert trio.current_time() == pytest.approx(20.0)
    assert (begun, ref.statistics().dead_letters) == ([], 1)
