"""Supervised actors started per second, against ``nursery.start_soon`` of a bare task.

The actors are started one after the other, each with a `ChildSpec` of its own, and are running when
`Supervisor.start_child` returns. The clock of the bare tasks stops when the last of them has run. The
garbage collector is on, as it is in a program: with thousands of live actors it is much of the figure.
"""

import functools
import time
from collections.abc import Iterator

import trio

from benchmarks.runtime.report import Row, Target, compared
from benchmarks.runtime.rounds import Plan, contest
from scriptorium.runtime import Actor, ChildSpec, Supervisor

FIGURE, UNIT = "spawn rate", "spawns/s"
OF_TASK = Target(">=", 0.3)


class Idle(Actor[int]):
    async def handle(self, message: int) -> None:
        """Nothing comes."""


class Counted(Actor[int]):
    """Counts those that run, and says when it was the last."""

    def __init__(self, started: list[int], number: int, last_runs: trio.Event) -> None:
        started[0] += 1
        if started[0] == number:
            last_runs.set()

    async def handle(self, message: int) -> None:
        """Nothing comes."""


async def actors_soon(number: int) -> float:
    started, last_runs = [0], trio.Event()
    factory = functools.partial(Counted, started, number, last_runs)
    async with Supervisor("bench", concurrent_stop=True) as supervisor:
        start = time.perf_counter()
        for index in range(number):
            supervisor.start_child_soon(ChildSpec(str(index), factory))
        await last_runs.wait()
        seconds = time.perf_counter() - start
    return number / seconds


async def awaited_actors(number: int) -> float:
    async with Supervisor("bench", concurrent_stop=True) as supervisor:
        start = time.perf_counter()
        for index in range(number):
            await supervisor.start_child(ChildSpec(str(index), Idle))
        seconds = time.perf_counter() - start
    return number / seconds


async def bare_tasks(number: int) -> float:
    running = 0
    last_runs, end = trio.Event(), trio.Event()

    async def task() -> None:
        nonlocal running
        running += 1
        if running == number:
            last_runs.set()
        await end.wait()

    async with trio.open_nursery() as nursery:
        start = time.perf_counter()
        for _ in range(number):
            nursery.start_soon(task)
        await last_runs.wait()
        seconds = time.perf_counter() - start
        end.set()
    return number / seconds


async def awaited_tasks(number: int) -> float:
    async def task(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        start = time.perf_counter()
        for _ in range(number):
            await nursery.start(task)
        seconds = time.perf_counter() - start
        nursery.cancel_scope.cancel()
    return number / seconds


def rows(plan: Plan) -> Iterator[Row]:
    number = plan.count(3_000)
    subject = functools.partial(trio.run, actors_soon, number)
    found = contest(plan, subject, functools.partial(trio.run, bare_tasks, number))
    yield compared(FIGURE, UNIT, "nursery.start_soon of a bare task", found, OF_TASK)
    subject = functools.partial(trio.run, awaited_actors, number)
    found = contest(plan, subject, functools.partial(trio.run, awaited_tasks, number))
    yield compared(f"{FIGURE}, awaited", UNIT, "nursery.start of a bare task", found, OF_TASK)
