"""triotp: a `gen_server` in an application of a node, as its documentation has it, and `gen_server.cast`.

triotp 0.2.1 insists on trio below 0.20, which cannot be installed beside ours. It works with ours, which is
the faster one, so it is installed apart, without the trio it asks for, and both run on the same trio.
"""

import sys
import time

import trio
from triotp import application, gen_server, node

HERE = sys.modules[__name__]
rates: list[float] = []


class Countdown:
    """The state of the server."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.started = trio.Event()
        self.done = trio.Event()


async def init(state: Countdown) -> Countdown:
    state.started.set()
    return state


async def handle_cast(message: int, state: Countdown) -> tuple[gen_server.NoReply, Countdown]:
    if message == state.last:
        state.done.set()
    return gen_server.NoReply(), state


async def start(messages: int) -> None:
    """The application: the server, and what is told to it."""
    state = Countdown(messages - 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gen_server.start, HERE, state, "counter")
        await state.started.wait()
        start = time.perf_counter()
        for number in range(messages):
            await gen_server.cast("counter", number)
        await state.done.wait()
        rates.append(messages / (time.perf_counter() - start))
        nursery.cancel_scope.cancel()


def tell(messages: int) -> float:
    node.run(apps=[application.app_spec(module=HERE, start_arg=messages, permanent=False)])
    return rates.pop()
