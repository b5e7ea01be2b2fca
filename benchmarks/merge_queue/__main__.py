"""Measures a queue of 20 tickets with real checks, and prints every figure beside its target.

Against its parts: so many bare runs of `make test` in a warm worktree, and so many landings without checks,
each by itself, of the same run. Against mergetrain: the same branches and the same free check, landed one by
one, and by its single train. All on the disk and durable, as a service is.
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
from importlib.metadata import version
from pathlib import Path

from attrs import define, field

from benchmarks.merge_queue.ours import check_seconds, landings_seconds, make_queue, queue_seconds, settle
from benchmarks.merge_queue.sides import PEER, Sides, is_installed
from benchmarks.runtime.report import Row, Target, Verdict, closing, compared, table
from benchmarks.runtime.rounds import Contest
from scriptorium.plan.refs import enable_fsync

WHOLE = Target("<=", 1.3)
ONE_BY_ONE = Target("<=", 0.2)
TRAIN = Target("<=", 1.0)


@define
class Parts:
    """Seconds of a queue, and of what it is made of, in each round."""

    queue: list[float] = field(factory=list)
    checks: list[float] = field(factory=list)
    landings: list[float] = field(factory=list)

    def measure(self, folder: Path, files: int, tickets: int) -> None:
        """One round, in repositories of its own that are alike."""
        numbers = range(1, tickets + 1)
        whole, parts = (make_queue(folder / name, files, tickets) for name in ("whole", "parts"))
        gc.collect()
        settle()
        self.checks.append(check_seconds(parts, tickets))
        self.landings.append(landings_seconds(parts, numbers))
        settle()
        self.queue.append(queue_seconds(whole, numbers, durable=True))

    @property
    def sums(self) -> list[float]:
        """Checks and landings."""
        return [one + other for one, other in zip(self.checks, self.landings, strict=True)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_queue.py", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="each figure is the median of so many")
    parser.add_argument("--tickets", type=int, default=20, help="in a queue")
    parser.add_argument("--files", type=int, default=200, help="in the repository")
    return parser.parse_args()


def contest(subject: list[float], peer: list[float]) -> Contest:
    """Milliseconds, round by round."""
    ratios = [one / two for one, two in zip(subject, peer, strict=True)]
    mine, other = (statistics.median(seconds) * 1000 for seconds in (subject, peer))
    return Contest(mine, other, statistics.median(ratios), (min(ratios), max(ratios)))


def rows(parts: Parts, sides: Sides) -> Iterator[Row]:
    """The figures beside their targets."""
    what = f"a queue of {sides.tickets}"
    against = f"{sides.tickets} checks and landings"
    yield compared(f"{what}, `make test`", "ms", against, contest(parts.queue, parts.sums), WHOLE)
    for name, taken, target in (
        (f"{PEER} one by one", sides.one_by_one, ONE_BY_ONE),
        (f"{PEER}'s train", sides.train, TRAIN),
    ):
        if taken:
            yield compared(f"{what}, `true`", "ms", name, contest(sides.ours, taken), target)
        else:
            yield Row(f"{what}, `true`", "ms", target, name, installed=False)


def measured(folder: Path, rounds: int, tickets: int, files: int) -> list[Row]:
    parts, sides = Parts(), Sides(folder, files, tickets)
    if not is_installed():
        print(f"{PEER} is not there: `make bench` installs it", file=sys.stderr)
    enable_fsync()
    # Nothing is removed before the end: files are made more slowly when others were removed just before.
    for number in range(rounds):
        print(f"the queue and its parts, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        parts.measure(folder / f"parts-{number}", files, tickets)
    for number in range(rounds if is_installed() else 0):
        print(f"beside {PEER}, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        sides.measure(number)
    enable_fsync(on=False)
    return list(rows(parts, sides))


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="scriptorium-bench-") as folder:
        found = measured(Path(folder), options.rounds, options.tickets, options.files)
    failed = [row for row in found if row.verdict in {Verdict.MISSED, Verdict.FAILED}]
    if options.json:
        result = {
            "benchmark": "queue",
            "python": platform.python_version(),
            "pygit2": version("pygit2"),
            "cpus": os.cpu_count(),
            "load_average": os.getloadavg(),
            "rounds": options.rounds,
            "tickets": options.tickets,
            "files": options.files,
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
