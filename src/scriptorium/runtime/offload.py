"""The thread seam: where blocking calls (git, files) leave the loop, or stay in it for a simulation."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import trio

T = TypeVar("T")

MAX_THREADS = 16
"""At once and per trio run. Own ones, so that another library's slow calls cannot starve the actors."""

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("scriptorium offload limiter")


class Offload(Protocol):
    """Runs a blocking function and returns what it returns, or raises what it raises.

    Cancelled before the function started, it does not run; once started, it runs to its end and its
    result is delivered: what a function changed on disk is never left without its caller knowing.
    """

    async def __call__(self, fn: Callable[[], T], /) -> T: ...


async def in_thread(fn: Callable[[], T], /) -> T:
    """`Offload` to a worker thread; at most `MAX_THREADS` at a time, the others wait."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(MAX_THREADS)
        _limiter.set(limiter)
    return await trio.to_thread.run_sync(fn, limiter=limiter, abandon_on_cancel=False)


async def in_thread_unattended(fn: Callable[[], T], /) -> T:
    """Like `in_thread`, but a caller that is cancelled leaves at once, and `fn` goes on to its end alone.

    For long work that may be cut short anywhere, as the end of the process will.
    """
    return await trio.to_thread.run_sync(fn, abandon_on_cancel=True)


async def inline(fn: Callable[[], T], /) -> T:
    """`Offload` in the loop itself: reproducible, for simulations and tests on virtual time."""
    await trio.lowlevel.checkpoint()
    return fn()
