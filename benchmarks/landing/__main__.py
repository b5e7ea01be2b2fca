"""Measures landing at 2,000 files, checks excluded, against the same steps with the `git` program.

A landing is the merge, its commit, the base's ref and the two commits of the plan, by the MergeQueue as it
runs in a service: from one ticket landed to the next, which may begin only then. The base is not checked
out. What is measured without fsync is measured in memory (/dev/shm, where there is one), by hand too; the
durable figure is of the disk.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from attrs import define, field

from benchmarks.landing.by_hand import landing_seconds as seconds_by_hand
from benchmarks.landing.by_hand import make_plan_worktree
from benchmarks.landing.ours import landing_seconds
from benchmarks.landing.site import make_repository, plan_tickets, submit
from benchmarks.runtime.report import Row, Target, Verdict, closing, compared, table
from benchmarks.runtime.rounds import Contest
from scriptorium.code.repository import Project
from scriptorium.plan.refs import enable_fsync

MEMORY = Path("/dev/shm")  # noqa: S108 - each run makes a folder of its own there
GIT = "the git program"
OFF = Target("<=", 15.0, "ms")
OFF_RATIO = Target("<=", 0.5)
ON = Target("<=", 40.0, "ms")


@define
class Site:
    """A repository with submitted tickets, and what was found with it: milliseconds, a median each round."""

    project: Project
    rounds: list[float] = field(factory=list)

    def add(self, seconds: list[float]) -> None:
        """What a round has taken."""
        self.rounds.append(statistics.median(seconds) * 1000)

    @property
    def milliseconds(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)


@define
class Sites:
    """The three ways: without fsync, by hand, durably."""

    off: Site
    hand: Site
    durable: Site
    plan: Path

    @classmethod
    def make(cls, memory: Path, disk: Path, files: int, tickets: int) -> "Sites":
        """Repositories that are alike, each with so many tickets in progress."""
        off, hand, durable = (
            Site(plan_tickets(make_repository(place, files), tickets))
            for place in (memory / "off", memory / "hand", disk / "durable")
        )
        return cls(off, hand, durable, make_plan_worktree(hand.project, memory / "plan"))

    def measure(self, numbers: range) -> None:
        """One round: each way lands these tickets."""
        enable_fsync(on=False)
        for site in (self.off, self.hand, self.durable):
            submit(site.project, numbers)
        gc.collect()
        self.off.add(landing_seconds(self.off.project, len(numbers)))
        self.hand.add(seconds_by_hand(self.hand.project, self.plan, numbers))
        enable_fsync(on=True)
        self.durable.add(landing_seconds(self.durable.project, len(numbers)))

    def rows(self, files: int) -> Iterator[Row]:
        """The figures beside their targets."""
        ratios = [mine / other for mine, other in zip(self.off.rounds, self.hand.rounds, strict=True)]
        spread = (min(ratios), max(ratios))
        contest = Contest(self.off.milliseconds, self.hand.milliseconds, statistics.median(ratios), spread)
        what = f"a landing at {files:,} files"
        yield Row(f"{what}, fsync off", "ms", OFF, measured=self.off.milliseconds)
        yield compared(f"{what}, fsync off", "ms", GIT, contest, OFF_RATIO)
        yield Row(f"{what}, durable", "ms", ON, measured=self.durable.milliseconds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_landing.py", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5, help="each figure is the median of so many")
    parser.add_argument("--each", type=int, default=10, help="landings in a round, but for one")
    parser.add_argument("--files", type=int, default=2000)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    batch = options.each + 1
    with ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="scriptorium-bench-")
        disk = Path(stack.enter_context(name))
        memory = disk
        if MEMORY.is_dir():
            name = tempfile.TemporaryDirectory(prefix="scriptorium-bench-", dir=MEMORY)
            memory = Path(stack.enter_context(name))
        print(f"making repositories in {memory} and {disk}", file=sys.stderr, flush=True)
        sites = Sites.make(memory, disk, options.files, options.rounds * batch)
        print("measuring", file=sys.stderr, flush=True)
        for number in range(options.rounds):
            sites.measure(range(number * batch + 1, (number + 1) * batch + 1))
        enable_fsync(on=False)
    found = list(sites.rows(options.files))
    failed = [row for row in found if row.verdict in {Verdict.MISSED, Verdict.FAILED}]
    if options.json:
        result = {
            "benchmark": "landing",
            "python": platform.python_version(),
            "pygit2": version("pygit2"),
            "cpus": os.cpu_count(),
            "load_average": os.getloadavg(),
            "rounds": options.rounds,
            "each": options.each,
            "rows": [row.as_json() for row in found],
            "missed": [row.title for row in failed],
        }
        print(json.dumps(result))
    else:
        print(table(found))
        print(closing(found))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
