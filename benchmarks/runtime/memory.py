"""Memory per idle supervised actor, as the operating system counts it, in a fresh process each time.

The resident set before the first actor is started and after the last one waits for messages, by their
number: the `ChildSpec`, the actor with its mailbox, its task and its place in the supervisor. Beside it,
for scale, a bare trio task that waits for an event.
"""

import functools
import gc
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import trio
import trio.testing

from benchmarks.runtime.peers import ROOT, environment
from benchmarks.runtime.report import Row, Target, compared
from benchmarks.runtime.rounds import Plan, contest
from benchmarks.runtime.spawn import Idle
from scriptorium.runtime import ChildSpec, Supervisor

FIGURE, UNIT = "memory per idle actor", "kB"
FEWEST = 1_000
"""Fewer would fit into pages that the process already has."""
BOUND = Target("<=", 10.0, "kB")


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def supervised(number: int) -> float:
    async with Supervisor("bench", concurrent_stop=True) as supervisor:
        before = resident_bytes()
        for index in range(number):
            await supervisor.start_child(ChildSpec(str(index), Idle))
        await trio.testing.wait_all_tasks_blocked()
        each = (resident_bytes() - before) / number / 1000
        assert len(supervisor.children()) == number
    return each


async def bare_tasks(number: int) -> float:
    end = trio.Event()
    async with trio.open_nursery() as nursery:
        before = resident_bytes()
        for _ in range(number):
            nursery.start_soon(end.wait)
        await trio.testing.wait_all_tasks_blocked()
        each = (resident_bytes() - before) / number / 1000
        end.set()
    return each


CONTENDERS: dict[str, Callable[[int], Awaitable[float]]] = {"supervised": supervised, "bare": bare_tasks}


def in_fresh_process(contender: str, number: int) -> float:
    command = [sys.executable, "-m", "benchmarks.runtime.memory", contender, str(number)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, check=True, text=True)
    return float(done.stdout)


def rows(plan: Plan) -> Iterator[Row]:
    number = max(FEWEST, plan.count(10_000))
    subject = functools.partial(in_fresh_process, "supervised", number)
    found = contest(plan, subject, functools.partial(in_fresh_process, "bare", number))
    yield compared(FIGURE, UNIT, "bare task", found, BOUND)


if __name__ == "__main__":
    print(trio.run(CONTENDERS[sys.argv[1]], int(sys.argv[2])))
