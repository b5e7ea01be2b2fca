"""The round trip of an ask, against a raw reply over a pair of channels, and against a bare reschedule.

The raw reply is the fastest that channels do: both sides send with `send_nowait` into a channel with room
and wait with `receive`. The bare reschedule is the least that trio does for two tasks to run in turn.
"""

import functools
import time
from collections.abc import Awaitable, Callable, Iterator

import trio

from benchmarks.runtime.report import Row, Target, compared
from benchmarks.runtime.rounds import Plan, contest
from scriptorium.runtime import Actor, ChildSpec, Request, Supervisor

CAPACITY = 1024
FIGURE, UNIT = "ask round trip", "us"
OF_CHANNELS = Target("<=", 1.2)
OF_RESCHEDULE = Target("<=", 2.0)


class Ping(Request[int]):
    """Asked for the number one."""


class Answerer(Actor[Ping]):
    async def handle(self, message: Ping) -> int:
        return 1


async def timed(times: int, round_trip: Callable[[], Awaitable[object]]) -> float:
    """Microseconds for one."""
    start = time.perf_counter()
    for _ in range(times):
        await round_trip()
    return (time.perf_counter() - start) / times * 1e6


async def supervised(times: int) -> float:
    async with Supervisor("bench") as supervisor:
        spec = ChildSpec("answerer", Answerer, mailbox_capacity=CAPACITY)
        ref = await supervisor.start_child(spec)
        each = await timed(times, functools.partial(ref.ask, Ping()))
        assert ref.statistics().handled == times
    return each


async def channels(times: int) -> float:
    send, requests = trio.open_memory_channel[Ping](CAPACITY)
    reply, replies = trio.open_memory_channel[int](1)

    async def answerer() -> None:
        async for _ in requests:
            reply.send_nowait(1)

    async def round_trip() -> int:
        send.send_nowait(ping)
        return await replies.receive()

    ping = Ping()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answerer)
        each = await timed(times, round_trip)
        send.close()
    return each


async def reschedule(times: int) -> float:
    wait, wake = trio.lowlevel.wait_task_rescheduled, trio.lowlevel.reschedule
    asker = trio.lowlevel.current_task()
    answerers: list[trio.lowlevel.Task] = []

    def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
        return trio.lowlevel.Abort.SUCCEEDED

    async def answerer() -> None:
        answerers.append(trio.lowlevel.current_task())
        while True:
            wake(asker)
            await wait(abort)

    async def round_trip() -> None:
        wake(answerers[0])
        await wait(abort)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answerer)
        await wait(abort)
        each = await timed(times, round_trip)
        nursery.cancel_scope.cancel()
    return each


def rows(plan: Plan) -> Iterator[Row]:
    times = plan.count(20_000)
    subject = functools.partial(trio.run, supervised, times)
    found = contest(plan, subject, functools.partial(trio.run, channels, times))
    yield compared(FIGURE, UNIT, "raw reply over a channel pair", found, OF_CHANNELS)
    found = contest(plan, subject, functools.partial(trio.run, reschedule, times))
    yield compared(FIGURE, UNIT, "bare reschedule", found, OF_RESCHEDULE)
