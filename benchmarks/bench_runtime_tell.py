"""How fast a supervised actor takes messages, against raw trio channels in the same run.

Prints a table and one line of JSON. ``python benchmarks/bench_runtime_tell.py [messages] [rounds]``
"""

import json
import sys
import time
from collections.abc import Awaitable, Callable

import trio

from scriptorium.runtime import Actor, ChildSpec, Supervisor

CAPACITY = 1024
BATCH = 64
TARGET_OF_BEST = 0.42
TARGET_OF_NAIVE = 4.5


class Counter(Actor[int]):
    """Counts, and says when the last message has come."""

    def __init__(self, last: int, done: trio.Event) -> None:
        self.last = last
        self.done = done

    async def handle(self, message: int) -> None:
        if message == self.last:
            self.done.set()


async def supervised_tell(messages: int) -> float:
    done = trio.Event()
    seconds = 0.0
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
    return seconds


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
    return time.perf_counter() - start


async def naive_channel(messages: int) -> float:
    send, receive = trio.open_memory_channel[int](CAPACITY)

    async def receiver() -> None:
        async for _ in receive:
            pass

    async with trio.open_nursery() as nursery:
        start = time.perf_counter()
        nursery.start_soon(receiver)
        with send:
            for number in range(messages):
                await send.send(number)
    return time.perf_counter() - start


def best_rate(contender: Callable[[int], Awaitable[float]], messages: int, rounds: int) -> float:
    return messages / min(trio.run(contender, messages) for _ in range(rounds))


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    tell = best_rate(supervised_tell, messages, rounds)
    best = best_rate(best_channel, messages, rounds)
    naive = best_rate(naive_channel, messages // 4, rounds)
    print(f"{'':32}{'messages/s':>12}{'ratio':>8}  target")
    print(f"{'supervised tell':32}{tell:12,.0f}")
    print(f"{'best raw channel':32}{best:12,.0f}{tell / best:8.2f}  >= {TARGET_OF_BEST}")
    print(f"{'naive raw channel':32}{naive:12,.0f}{tell / naive:8.2f}  >= {TARGET_OF_NAIVE}")
    result = {
        "benchmark": "runtime_tell",
        "messages": messages,
        "messages_per_second": {"supervised_tell": tell, "best_channel": best, "naive_channel": naive},
        "ratios": {"of_best_channel": tell / best, "of_naive_channel": tell / naive},
        "targets": {"of_best_channel": TARGET_OF_BEST, "of_naive_channel": TARGET_OF_NAIVE},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
