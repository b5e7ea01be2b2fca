"""From a crash to the first answered message, against a bare ``while True: try`` loop in a task.

Both get a message that crashes them and then one to be answered, and stamp the time right before they
raise; the clock stops when the asker has its reply. The supervisor restarts without a delay. The loop's
messages and replies travel through channels; it keeps no state, reports nothing and never gives up.
"""

import functools
import statistics
import time
from collections.abc import Iterator

import trio

from benchmarks.runtime.report import Row, Target, compared
from benchmarks.runtime.rounds import Plan, contest
from scriptorium.runtime import Actor, Backoff, ChildSpec, Intensity, Request, Supervisor

FIGURE, UNIT = "restart, crash to first answer", "us"
OF_LOOP = Target("<=", 4.0)
AT_ONCE = Backoff(first_seconds=0.0)
NEVER_ENOUGH = Intensity(restarts=1_000_000)


class Fall(Exception):
    """The crash that is measured."""


class Order(Request[bool]):
    """With ``fatal`` it crashes its receiver."""

    def __init__(self, *, fatal: bool) -> None:
        self.fatal = fatal


class Faller(Actor[Order]):
    def __init__(self, falls: list[float]) -> None:
        self.falls = falls

    async def handle(self, message: Order) -> bool:
        if message.fatal:
            self.falls.append(time.perf_counter())
            raise Fall
        return True


def each_micros(falls: list[float], answers: list[float]) -> float:
    assert len(falls) == len(answers), "every crash is followed by one answer"
    return statistics.fmean(after - before for before, after in zip(falls, answers, strict=True)) * 1e6


async def supervised(times: int) -> float:
    falls: list[float] = []
    answers: list[float] = []
    fatal, harmless = Order(fatal=True), Order(fatal=False)
    async with Supervisor("bench", backoff=AT_ONCE, intensity=NEVER_ENOUGH) as supervisor:
        ref = await supervisor.start_child(ChildSpec("faller", lambda: Faller(falls)))
        for _ in range(times):
            await ref.tell(fatal)
            await ref.ask(harmless)
            answers.append(time.perf_counter())
        assert ref.statistics().restarts == times
    return each_micros(falls, answers)


async def bare_loop(times: int) -> float:
    falls: list[float] = []
    answers: list[float] = []
    fatal, harmless = Order(fatal=True), Order(fatal=False)
    send, orders = trio.open_memory_channel[Order](1024)
    reply, replies = trio.open_memory_channel[bool](1)

    async def handle(order: Order) -> bool:
        if order.fatal:
            falls.append(time.perf_counter())
            raise Fall
        return True

    async def faller() -> None:
        while True:
            try:
                async for order in orders:
                    await reply.send(await handle(order))
            except Fall:
                continue
            return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(faller)
        for _ in range(times):
            await send.send(fatal)
            await send.send(harmless)
            await replies.receive()
            answers.append(time.perf_counter())
        send.close()
    return each_micros(falls, answers)


def rows(plan: Plan) -> Iterator[Row]:
    times = plan.count(2_000)
    subject = functools.partial(trio.run, supervised, times)
    found = contest(plan, subject, functools.partial(trio.run, bare_loop, times))
    yield compared(FIGURE, UNIT, "bare `while True: try` loop", found, OF_LOOP)
