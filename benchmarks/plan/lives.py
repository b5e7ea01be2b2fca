"""What the transitions of a ticket's life take: by scriptorium with and without fsync, and by hand."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from attrs import define, field, frozen

from benchmarks.plan.plans import KINDS, Step, by_hand, make_plan, make_worktree, open_tickets, ours
from benchmarks.runtime.rounds import Contest
from scriptorium.plan.refs import enable_fsync
from scriptorium.plan.repository import PlanRepository

Life = Callable[[int], Iterator[Step]]


@define
class Lives:
    """Seconds of each kind of transition, in each round the median of its tickets."""

    rounds: list[dict[str, float]] = field(factory=list)

    def means(self, kinds: Collection[str] = KINDS) -> list[float]:
        """The mean of these kinds in each round."""
        return [statistics.mean(took[kind] for kind in kinds) for took in self.rounds]

    def seconds(self, kinds: Collection[str] = KINDS) -> float:
        """The median of those."""
        return statistics.median(self.means(kinds))


@frozen
class Site:
    """Plans of so many tickets on one file system, and what was found with them."""

    where: str
    tickets: int
    off_dir: Path
    durable_dir: Path
    worktree: Path
    off: Lives = field(factory=Lives)
    durable: Lives = field(factory=Lives)
    hand: Lives = field(factory=Lives)
    packing: list[float] = field(factory=list)
    """Seconds of the roll-ups of packs between the rounds; a service does them in a thread of its own."""

    @property
    def name(self) -> str:
        """For a line of the table."""
        return f"{self.tickets:,} {self.where}"

    def against_hand(self, lives: Lives, kinds: Collection[str] = KINDS) -> Contest:
        """Transitions a second, against those by hand of the same rounds."""
        both = zip(lives.means(kinds), self.hand.means(kinds), strict=True)
        ratios = [hand / mine for mine, hand in both]
        return Contest(
            1 / lives.seconds(kinds),
            1 / self.hand.seconds(kinds),
            statistics.median(ratios),
            (min(ratios), max(ratios)),
        )


def make_site(folder: Path, where: str, tickets: int) -> Site:
    """The plans to measure with, below `folder`."""
    place = folder / str(tickets)
    off_dir, durable_dir = (make_plan(place / name, tickets) for name in ("off", "durable"))
    return Site(where, tickets, off_dir, durable_dir, make_worktree(place / "hand", tickets))


def measure(sites: Collection[Site], rounds: int, each: int) -> None:
    """In rounds, each with everything, so that what else the machine does is in all alike."""
    for number in range(rounds):
        for site in sites:
            numbers = open_tickets(site.tickets)[number * (each + 1) :][: each + 1]
            _measure_ours(site, site.off_dir, site.off, numbers, durable=False)
            _measure_ours(site, site.durable_dir, site.durable, numbers, durable=True)
            site.hand.rounds.append(_timed(partial(by_hand, site.worktree), numbers))
    enable_fsync(on=False)


def _measure_ours(site: Site, git_dir: Path, lives: Lives, numbers: range, *, durable: bool) -> None:
    enable_fsync(durable)
    repository = PlanRepository(git_dir)
    lives.rounds.append(_timed(partial(ours, repository), numbers))
    began = time.perf_counter()
    repository.roll_up()
    site.packing.append(time.perf_counter() - began)


def _timed(life: Life, numbers: range) -> dict[str, float]:
    """The median of each kind, of all lives but the first: whoever opened a repository has yet to read it."""
    gc.collect()
    taken: list[list[float]] = []
    for number in numbers:
        steps = []
        for step in life(number):
            began = time.perf_counter()
            step()
            steps.append(time.perf_counter() - began)
        taken.append(steps)
    return dict(zip(KINDS, map(statistics.median, zip(*taken[1:], strict=True)), strict=True))
