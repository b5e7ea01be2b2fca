"""The event stream: publishing never waits, a slow reader loses the oldest, cancellation loses none."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scriptorium.runtime import EventStream


async def take(subscription: object, count: int) -> list[object]:
    assert hasattr(subscription, "__anext__")
    return [await subscription.__anext__() for _ in range(count)]


async def test_each_subscriber_gets_each_event_from_its_beginning_on() -> None:
    stream = EventStream()
    stream.publish("before")
    with stream.subscribe(8) as early:
        stream.publish(1)
        with stream.subscribe(8) as late:
            stream.publish(2)
            assert await take(early, 2) == [1, 2]
            assert await take(late, 1) == [2]


async def test_a_full_subscription_loses_its_oldest_and_counts_them() -> None:
    stream = EventStream()
    with stream.subscribe(2) as subscription:
        for number in range(5):
            stream.publish(number)
        statistics = subscription.statistics()
        assert (statistics.waiting, statistics.capacity, statistics.dropped) == (2, 2, 3)
        assert await take(subscription, 2) == [3, 4]


async def test_a_waiting_reader_is_woken(nursery: trio.Nursery) -> None:
    stream = EventStream()
    got: list[object] = []

    async def read() -> None:
        with stream.subscribe(4) as subscription:
            got.extend(await take(subscription, 2))

    nursery.start_soon(read)
    await wait_all_tasks_blocked()
    stream.publish("a")
    await wait_all_tasks_blocked()
    assert got == []
    stream.publish("b")
    await wait_all_tasks_blocked()
    assert got == ["a", "b"]


async def test_a_cancelled_reader_takes_no_event() -> None:
    stream = EventStream()
    with stream.subscribe(4) as subscription:
        stream.publish("kept")
        with trio.CancelScope() as scope:
            scope.cancel()
            await take(subscription, 1)
        assert scope.cancelled_caught
        assert await take(subscription, 1) == ["kept"]


async def test_closing_ends_the_iteration_after_what_is_left(nursery: trio.Nursery) -> None:
    stream = EventStream()
    subscription = stream.subscribe(4)
    got: list[object] = []

    async def read() -> None:
        got.extend([event async for event in subscription])
        got.append("end")

    stream.publish(1)
    subscription.close()
    subscription.close()
    stream.publish(2)
    await read()
    assert got == [1, "end"]

    other = stream.subscribe(4)

    async def wait_for_end() -> None:
        async for _ in other:
            pass
        got.append("woken")

    nursery.start_soon(wait_for_end)
    await wait_all_tasks_blocked()
    other.close()
    await wait_all_tasks_blocked()
    assert got[-1] == "woken"


def test_a_subscription_has_room() -> None:
    with pytest.raises(ValueError, match="room for at least one"):
        EventStream().subscribe(0)
