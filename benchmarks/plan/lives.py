"""What the transitions of a ticket's life take: by scriptorium with and without fsync, and by hand."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from attrs import frozen

from benchmarks.plan.plans import KINDS, Step, by_hand, make_plan, make_worktree, open_tickets, ours
from benchmarks.runtime.rounds import Contest
from scriptorium.plan.refs import enable_fsync
from scriptorium.plan.repository import PlanRepository

Life = Callable[[int], Iterator[Step]]


@frozen
class Lives:
    """Seconds of a transition: the mean of the five kinds in each round, and each kind's over all rounds."""

    rounds: list[float]
    kinds: dict[str, float]

    @property
    def seconds(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)


@frozen
class Size:
    """What was found with so many tickets. `packing` is the median of the seconds that a roll-up of packs
    took between the rounds: a service does that in a thread of its own."""

    tickets: int
    off: Lives
    durable: Lives
    hand: Lives
    packing: float | None
    git_dir: Path

    def against_hand(self, lives: Lives) -> Contest:
        """Transitions a second, against those by hand of the same rounds."""
        ratios = [hand / mine for mine, hand in zip(lives.rounds, self.hand.rounds, strict=True)]
        ratio = statistics.median(ratios)
        return Contest(1 / lives.seconds, 1 / self.hand.seconds, ratio, (min(ratios), max(ratios)))


def measure(folder: Path, tickets: int, rounds: int, each: int) -> Size:
    """In rounds, each with all three, so that what else the machine does is in all alike.

    In each round the first ticket of each is not counted: whoever has just opened a repository has yet to
    read it.
    """
    off_dir, durable_dir = (make_plan(folder / name, tickets) for name in ("off", "durable"))
    worktree = make_worktree(folder / "hand", tickets)
    numbers = iter(open_tickets(tickets))
    found: dict[str, list[list[list[float]]]] = {"off": [], "durable": [], "hand": []}
    packing: list[float] = []
    for _ in range(rounds):
        lives = [next(numbers) for _ in range(each + 1)]
        for name, git_dir in (("off", off_dir), ("durable", durable_dir)):
            enable_fsync(name == "durable")
            repository = PlanRepository(git_dir)
            found[name].append(_timed(partial(ours, repository), lives))
            began = time.perf_counter()
            repository.roll_up()
            packing.append(time.perf_counter() - began)
        found["hand"].append(_timed(partial(by_hand, worktree), lives))
    enable_fsync(on=False)
    off, durable, hand = (_lives(found[name]) for name in ("off", "durable", "hand"))
    return Size(tickets, off, durable, hand, statistics.median(packing), off_dir)


def _timed(life: Life, numbers: list[int]) -> list[list[float]]:
    """The seconds of each step of each life but the first."""
    gc.collect()
    taken: list[list[float]] = []
    for number in numbers:
        steps = []
        for step in life(number):
            began = time.perf_counter()
            step()
            steps.append(time.perf_counter() - began)
        taken.append(steps)
    return taken[1:]


def _lives(rounds: list[list[list[float]]]) -> Lives:
    means = [statistics.mean(map(statistics.median, zip(*taken, strict=True))) for taken in rounds]
    steps = zip(*(life for taken in rounds for life in taken), strict=True)
    return Lives(means, dict(zip(KINDS, map(statistics.median, steps), strict=True)))
