"""Measures the plan branch at each size, and prints every figure beside its target.

What is measured without fsync is what our code and the system's calls take: in memory (/dev/shm, where there
is one), by hand too. The same on the disk is shown beside it: it is as fast as the disk is idle.
"""

import argparse
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

from benchmarks.plan.lives import Lives, Site, make_site, measure
from benchmarks.plan.plans import KINDS, MOVES
from benchmarks.plan.standing import calls_standing_still, cold_seconds
from benchmarks.runtime.report import Row, Target, Verdict, closing, compared, table
from benchmarks.runtime.rounds import Contest

SIZES = (100, 1_000, 10_000)
MEMORY = Path("/dev/shm")  # noqa: S108 - each run makes a folder of its own there
GIT = "git in a worktree"
RATE = "transitions/s"
COLD_READS = 9


def rows(memory: list[Site], disk: list[Site], folder: Path) -> Iterator[Row]:
    """The figures that have a target, of the smallest and the largest plan."""
    few, many = f"{disk[0].tickets:,} tickets", f"{disk[-1].tickets:,} tickets"
    moved = memory[0].against_hand(memory[0].off, MOVES)
    yield compared(f"moving a ticket, fsync off, {few}", RATE, GIT, moved, Target(">=", 15.0))
    durably = disk[0].against_hand(disk[0].durable, MOVES)
    yield compared(f"moving a ticket, durable, {few}", RATE, GIT, durably, Target(">=", 3.0))
    lived = memory[-1].against_hand(memory[-1].off)
    yield compared(f"a ticket's life, fsync off, {many}", RATE, GIT, lived, Target(">=", 3.0))
    grown = _contest(disk[-1].durable, disk[0].durable)
    yield compared(f"a ticket's life, durable, {many}", "ms", few, grown, Target("<=", 3.0))
    cold = cold_seconds(disk[-1].off_dir, COLD_READS) * 1000
    yield Row(f"a snapshot for status, {many}", "ms", Target("<", 30.0, "ms"), measured=cold)
    calls = calls_standing_still(disk[-1].off_dir, folder)
    note = "" if calls is not None else "it is counted with strace"
    target = Target("<=", 2.0, "system calls")
    yield Row("a held snapshot, unchanged", "system calls", target, measured=calls, note=note)


def _contest(subject: Lives, peer: Lives) -> Contest:
    """Milliseconds of a transition, round by round."""
    ratios = [mine / other for mine, other in zip(subject.means(), peer.means(), strict=True)]
    spread = (min(ratios), max(ratios))
    return Contest(subject.seconds() * 1000, peer.seconds() * 1000, statistics.median(ratios), spread)


def milliseconds(site: Site) -> Iterator[tuple[str, list[float]]]:
    """For each way: the mean of the kinds, and each of `KINDS`; medians of the rounds."""
    for name, lives in (("fsync off", site.off), ("durable", site.durable), ("by hand", site.hand)):
        yield name, [took * 1000 for took in (lives.seconds(), *(lives.seconds((kind,)) for kind in KINDS))]


def details(site: Site) -> dict[str, object]:
    """Everything, for a program."""
    return {
        "tickets": site.tickets,
        "where": site.where,
        "roll_up_ms": statistics.median(site.packing) * 1000,
        **{name: dict(zip(("mean", *KINDS), took, strict=True)) for name, took in milliseconds(site)},
    }


def breakdown(sites: list[Site]) -> str:
    """Everything, for people."""
    lines = [f"{'milliseconds':<28}" + "".join(f"{kind:>15}" for kind in ("mean", *KINDS))]
    for site in sites:
        for name, took in milliseconds(site):
            lines.append(f"{f'{site.name}, {name}':<28}" + "".join(f"{each:15.2f}" for each in took))
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_plan.py", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5, help="each figure is the median of so many")
    parser.add_argument("--each", type=int, default=5, help="tickets in a round, but for one")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="TICKETS")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    with ExitStack() as stack:

        def made(where: str, parent: Path | None) -> list[Site]:
            name = tempfile.TemporaryDirectory(prefix="scriptorium-bench-", dir=parent)
            folder = Path(stack.enter_context(name))
            print(f"making plans in {folder}", file=sys.stderr, flush=True)
            return [make_site(folder, where, tickets) for tickets in sorted(options.sizes)]

        disk = made("on disk", None)
        memory = made("in memory", MEMORY) if MEMORY.is_dir() else disk
        sites = disk if memory is disk else [*memory, *disk]
        print("measuring", file=sys.stderr, flush=True)
        measure(sites, options.rounds, options.each)
        found = list(rows(memory, disk, disk[0].worktree.parent))
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
            "milliseconds": [details(site) for site in sites],
            "missed": [row.title for row in failed],
        }
        print(json.dumps(result))
    else:
        print(breakdown(sites))
        print()
        print(table(found))
        print(closing(found))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
