"""Messages per second told to one supervised actor, against raw trio channels and other actor libraries.

Every contender delivers numbered messages to one receiver that compares each number with the last one; the
clock runs from before the first is sent until the last has been handled. The best raw channel is
`send_nowait` with a fall-back to `send`, and a receiver that drains up to 64 at a wake-up; the naive one
is `await send` and `async for`.
"""

import functools
import time
from collections.abc import Iterator

import trio

from benchmarks.runtime.peers import PEERS, PeerFailed, PeerMissing, running
from benchmarks.runtime.report import Row, Target, compared
from benchmarks.runtime.rounds import Plan, contest
from scriptorium.runtime import Actor, ChildSpec, Supervisor

CAPACITY = 1024
BATCH = 64
FIGURE, UNIT = "supervised tell", "messages/s"
OF_BEST = Target(">=", 0.42)
OF_OTHERS = Target(">=", 4.5)


class Counter(Actor[int]):
    """Counts, and says when the last message has come."""

    def __init__(self, last: int, done: trio.Event) -> None:
        self.last = last
        self.done = done

    async def handle(self, message: int) -> None:
        if message == self.last:
            self.done.set()


async def supervised(messages: int) -> float:
    done = trio.Event()
    async with Supervisor("bench") as supervisor:
        spec = ChildSpec("counter", lambda: Counter(messages - 1, done), mailbox_capacity=CAPACITY)
        ref = await supervisor.start_child(spec)
        start = time.perf_counter()
        for number in range(messages):
            await ref.tell(number)
        await done.wait()
        seconds = time.perf_counter() - start
        await supervisor.stop_child("counter")
        assert ref.statistics().handled == messages
    return messages / seconds


async def best_channel(messages: int) -> float:
    send, receive = trio.open_memory_channel[int](CAPACITY)

    async def receiver() -> None:
        last = messages - 1
        while await receive.receive() != last:
            try:
                for _ in range(BATCH):
                    if receive.receive_nowait() == last:
                        return
            except trio.WouldBlock:
                continue

    async with trio.open_nursery() as nursery:
        start = time.perf_counter()
        nursery.start_soon(receiver)
        for number in range(messages):
            try:
                send.send_nowait(number)
            except trio.WouldBlock:
                await send.send(number)
    return messages / (time.perf_counter() - start)


async def naive_channel(messages: int) -> float:
    send, receive = trio.open_memory_channel[int](CAPACITY)

    async def receiver() -> None:
        last = messages - 1
        async for number in receive:
            if number == last:
                return

    async with trio.open_nursery() as nursery:
        start = time.perf_counter()
        nursery.start_soon(receiver)
        for number in range(messages):
            await send.send(number)
    return messages / (time.perf_counter() - start)


def rows(plan: Plan) -> Iterator[Row]:
    messages = plan.count(400_000)
    subject = functools.partial(trio.run, supervised, messages)
    best = contest(plan, subject, functools.partial(trio.run, best_channel, messages))
    yield compared(FIGURE, UNIT, "best raw channel", best, OF_BEST)
    naive = contest(plan, subject, functools.partial(trio.run, naive_channel, messages // 4))
    yield compared(FIGURE, UNIT, "naive raw channel", naive, OF_OTHERS)
    for name in PEERS:
        try:
            with running(name) as peer:
                found = contest(plan, subject, functools.partial(peer.tell, plan.count(PEERS[name])))
                yield compared(FIGURE, UNIT, f"{name} {peer.version}", found, OF_OTHERS)
        except PeerMissing as missing:
            yield Row(FIGURE, UNIT, OF_OTHERS, name, installed=False, note=str(missing))
        except PeerFailed as failed:
            yield Row(FIGURE, UNIT, OF_OTHERS, name, note=str(failed))
