"""Virtual time, and a scheduler whose choices follow from a seed: hours cost nothing, and can be repeated."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar, TypeVarTuple

import trio
from attrs import define, field
from trio._core._mock_clock import MockClock  # trio.testing imports pytest where that is installed

T = TypeVar("T")
Args = TypeVarTuple("Args")

START = datetime(2026, 1, 1, tzinfo=UTC)
"""What `virtual_now` says when a run on virtual time begins."""

_SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"
_SOURCE = "_r"
_seeded_run = threading.Lock()


def run_virtual(async_fn: Callable[[*Args], Awaitable[T]], *args: *Args, seed: int | None = None) -> T:
    """``trio.run`` on virtual time: whenever all tasks wait, the clock jumps to the next deadline.

    The clock begins at 0 and stands still while anything runs. With a ``seed`` the order in which tasks run
    follows from it too (see `deterministic_scheduling`), and so does what `run_random` gives: the same
    seed, the same run. Returns and raises what the function does.

    trio knows nothing of work in a thread or another process: while only that goes on, all tasks wait, and
    the clock jumps. A timeout around it then expires at once. So keep blocking calls in the loop, with the
    offload `scriptorium.runtime.inline`, and put functions where the processes would be.
    """
    if seed is None:
        return trio.run(_with_sources, None, async_fn, args, clock=MockClock(autojump_threshold=0))
    with deterministic_scheduling(seed):
        return trio.run(_with_sources, seed, async_fn, args, clock=MockClock(autojump_threshold=0))


@contextmanager
def deterministic_scheduling(seed: int) -> Iterator[None]:
    """Inside the block, who runs first of the tasks that can all go on follows from the seed.

    For programs that call ``trio.run`` themselves, one run at a time: the source of the order is one for
    the whole process. Tasks are ordered by age and then shuffled, so another seed is another order.
    Afterwards trio is as it was. Whatever else makes two runs differ (threads, sockets, the wall clock, the
    order of a set of strings) still does.

    Raises RuntimeError when another such block is open, or for a trio that lacks what it needs.
    """
    scheduler = trio._core._run
    if not isinstance(getattr(scheduler, _SOURCE, None), Random) or not hasattr(scheduler, _SWITCH):
        raise RuntimeError(
            f"trio {trio.__version__} has no scheduler that can be seeded in the way this version of "
            "scriptorium knows: use another version of trio, or run without a seed"
        )
    if not _seeded_run.acquire(blocking=False):
        raise RuntimeError("another run with a seed is under way in this process: run one after the other")
    source: Random = getattr(scheduler, _SOURCE)
    switch, state = getattr(scheduler, _SWITCH), source.getstate()
    try:
        setattr(scheduler, _SWITCH, True)
        source.seed(seed)
        yield
    finally:
        setattr(scheduler, _SWITCH, switch)
        source.setstate(state)
        _seeded_run.release()


@define
class _Sources:
    seed: int | None
    by_name: dict[str, Random] = field(factory=dict)


_sources: trio.lowlevel.RunVar[_Sources] = trio.lowlevel.RunVar("scriptorium sources of randomness")


async def _with_sources(seed: int | None, async_fn: Callable[[*Args], Awaitable[T]], args: tuple[*Args]) -> T:
    _sources.set(_Sources(seed))
    return await async_fn(*args)


def run_random(name: str = "") -> Random:
    """This run's source of randomness of that name; the same object at every call.

    Under ``run_virtual(..., seed=...)`` it follows from the seed and the name, so that one more draw in
    one place changes nothing in the others; in any other run it is seeded by the system. Only inside a
    trio run, RuntimeError elsewhere.
    """
    sources = _sources.get(_UNSEEDED)
    if sources is _UNSEEDED:
        sources = _Sources(None)
        _sources.set(sources)
    if name not in sources.by_name:
        seed = None if sources.seed is None else f"{sources.seed}/{name}"
        sources.by_name[name] = Random(seed)  # noqa: S311 - repeatable is what it is for
    return sources.by_name[name]


_UNSEEDED = _Sources(None)


def virtual_now() -> datetime:
    """The time of day in UTC: on virtual time `START` and what has passed of it, else the wall clock's."""
    if trio.lowlevel.in_trio_run() and isinstance(trio.lowlevel.current_clock(), MockClock):
        return START + timedelta(seconds=trio.current_time())
    return datetime.now(UTC)
