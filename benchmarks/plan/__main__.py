"""Measures the plan branch at each size, and prints every figure beside its target."""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from benchmarks.plan.lives import Lives, Size, measure
from benchmarks.plan.standing import calls_standing_still, cold_seconds
from benchmarks.runtime.report import Row, Target, Verdict, closing, compared, table
from benchmarks.runtime.rounds import Contest

SIZES = (100, 1_000, 10_000)
GIT = "git in a worktree"
RATE = "transitions/s"
COLD_READS = 9


def rows(sizes: list[Size], folder: Path) -> Iterator[Row]:
    """The figures of the issue, from the smallest and the largest plan."""
    small, large = sizes[0], sizes[-1]
    few, many = f"{small.tickets:,} tickets", f"{large.tickets:,} tickets"
    durably = small.against_hand(small.durable)
    yield compared(f"fsync off, {few}", RATE, GIT, small.against_hand(small.off), Target(">=", 15.0))
    yield compared(f"durable, {few}", RATE, GIT, durably, Target(">=", 3.0))
    yield compared(f"fsync off, {many}", RATE, GIT, large.against_hand(large.off), Target(">=", 3.0))
    grown = _contest(large.durable, small.durable)
    yield compared(f"durable, {many}", "ms", few, grown, Target("<=", 3.0))
    cold = cold_seconds(large.git_dir, COLD_READS) * 1000
    yield Row(f"a snapshot for status, {many}", "ms", Target("<", 30.0, "ms"), measured=cold)
    calls = calls_standing_still(large.git_dir, folder)
    note = "" if calls is not None else "it is counted with strace"
    target = Target("<=", 2.0, "system calls")
    yield Row("a held snapshot, unchanged", "system calls", target, measured=calls, note=note)


def _contest(subject: Lives, peer: Lives) -> Contest:
    """Milliseconds of a transition, round by round."""
    ratios = [mine / other for mine, other in zip(subject.rounds, peer.rounds, strict=True)]
    spread = (min(ratios), max(ratios))
    return Contest(subject.seconds * 1000, peer.seconds * 1000, statistics.median(ratios), spread)


def details(size: Size) -> dict[str, object]:
    """Milliseconds of everything, medians."""
    kinds = {"fsync off": size.off, "durable": size.durable, "by hand": size.hand}
    return {
        "tickets": size.tickets,
        "roll_up_ms": None if size.packing is None else size.packing * 1000,
        **{
            name: {"mean": lives.seconds * 1000} | {kind: took * 1000 for kind, took in lives.kinds.items()}
            for name, lives in kinds.items()
        },
    }


def breakdown(sizes: list[Size]) -> str:
    """The milliseconds of each kind of transition, at each size."""
    lines = [f"{'milliseconds':<24}" + "".join(f"{kind:>15}" for kind in ("mean", *sizes[0].off.kinds))]
    for size in sizes:
        for name, lives in (("fsync off", size.off), ("durable", size.durable), ("by hand", size.hand)):
            took = (lives.seconds, *lives.kinds.values())
            lines.append(f"{f'{size.tickets:,} {name}':<24}" + "".join(f"{t * 1000:15.2f}" for t in took))
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_plan.py", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5, help="each figure is the median of so many")
    parser.add_argument("--each", type=int, default=5, help="tickets in a round")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="TICKETS")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="scriptorium-bench-") as name:
        folder = Path(name)
        sizes = []
        for tickets in sorted(options.sizes):
            print(f"measuring {tickets:,} tickets", file=sys.stderr, flush=True)
            sizes.append(measure(folder / str(tickets), tickets, options.rounds, options.each))
        found = list(rows(sizes, folder))
    failed = [row for row in found if row.verdict in {Verdict.MISSED, Verdict.FAILED}]
    if options.json:
        result = {
            "benchmark": "plan",
            "python": platform.python_version(),
            "pygit2": version("pygit2"),
            "cpus": os.cpu_count(),
            "load_average": os.getloadavg(),
            "rounds": options.rounds,
            "each": options.each,
            "rows": [row.as_json() for row in found],
            "milliseconds": [details(size) for size in sizes],
            "missed": [row.title for row in failed],
        }
        print(json.dumps(result))
    else:
        print(breakdown(sizes))
        print()
        print(table(found))
        print(closing(found))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
