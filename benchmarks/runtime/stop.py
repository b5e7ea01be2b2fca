"""How long stopping takes: of ten thousand idle actors, and of one with a hundred thousand messages waiting.

The first is leaving the supervisor's block, where children stop one by one in reverse order. The second is
`Supervisor.stop_child` of an actor in the middle of its mailbox, what is left becoming dead letters.
"""

import functools
import time
from collections.abc import Iterator

import trio

from benchmarks.runtime.report import Row, Target
from benchmarks.runtime.rounds import Plan, alone
from benchmarks.runtime.spawn import Idle
from scriptorium.runtime import Actor, ChildSpec, Supervisor

OF_ALL = Target("<", 1.0, "s")
OF_FULL = Target("<", 5.0, "ms")


class Busy(Actor[int]):
    """Says when the first message has come."""

    def __init__(self, first: trio.Event) -> None:
        self.first = first

    async def handle(self, message: int) -> None:
        if message == 0:
            self.first.set()


async def stop_all(number: int) -> float:
    """Seconds."""
    async with Supervisor("bench") as supervisor:
        for index in range(number):
            await supervisor.start_child(ChildSpec(str(index), Idle))
        start = time.perf_counter()
    return time.perf_counter() - start


async def stop_full(messages: int) -> float:
    """Milliseconds."""
    first = trio.Event()
    async with Supervisor("bench") as supervisor:
        spec = ChildSpec("busy", lambda: Busy(first), mailbox_capacity=messages)
        ref = await supervisor.start_child(spec)
        for number in range(messages):
            ref.tell_nowait(number)
        await first.wait()
        start = time.perf_counter()
        await supervisor.stop_child("busy")
        milliseconds = (time.perf_counter() - start) * 1e3
        end = ref.statistics()
        assert end.handled + end.dead_letters == messages
    return milliseconds


def rows(plan: Plan) -> Iterator[Row]:
    number = plan.count(10_000)
    seconds = alone(plan, functools.partial(trio.run, stop_all, number))
    yield Row(f"stop of {number:,} actors", "s", OF_ALL, measured=seconds)
    messages = plan.count(100_000)
    milliseconds = alone(plan, functools.partial(trio.run, stop_full, messages))
    yield Row(f"stop with {messages:,} queued messages", "ms", OF_FULL, measured=milliseconds)
