"""xoscar: one actor in a pool without sub-processes, told through its local reference on uvloop.

That is its fastest set-up: caller and actor share a process, where a reference leads to the actor itself
and nothing is serialised. `tell` is compared, which like ours returns before the message is handled;
awaiting the method is faster (it is called under a lock in the caller's own task, without a message), but
it is neither a tell nor does it queue anything.
"""

import asyncio
import time

import uvloop
import xoscar


class Counter(xoscar.Actor):  # type: ignore[misc] # mypy is told to see no types
    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last
        self.done = asyncio.Event()

    async def count(self, number: int) -> None:
        if number == self.last:
            self.done.set()

    @xoscar.no_lock  # type: ignore[untyped-decorator]
    async def counted(self) -> None:
        await self.done.wait()


async def told(messages: int) -> float:
    pool = await xoscar.create_actor_pool("127.0.0.1", n_process=0)
    async with pool:
        place = pool.external_address
        made = await xoscar.create_actor(Counter, messages - 1, address=place, uid="counter")
        ref = await xoscar.actor_ref(address=place, uid=made.uid)  # what create_actor returns is not local
        tell_count = ref.count.tell
        start = time.perf_counter()
        for number in range(messages):
            await tell_count(number)
        await ref.counted()
        return messages / (time.perf_counter() - start)


def tell(messages: int) -> float:
    return float(uvloop.run(told(messages)))
