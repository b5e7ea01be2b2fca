"""Measures every figure, or those that are named, and prints them."""

import argparse
import json
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version

from benchmarks.runtime import ask, memory, restart, spawn, stop, tell
from benchmarks.runtime.report import Row, Verdict, closing, table
from benchmarks.runtime.rounds import Plan

FIGURES: dict[str, Callable[[Plan], Iterable[Row]]] = {
    "tell": tell.rows,
    "ask": ask.rows,
    "restart": restart.rows,
    "spawn": spawn.rows,
    "memory": memory.rows,
    "stop": stop.rows,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_runtime.py", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7, help="each figure is the median of so many")
    parser.add_argument("--scale", type=float, default=1.0, help="times all numbers of messages and actors")
    parser.add_argument("--only", nargs="+", choices=list(FIGURES), default=list(FIGURES), metavar="FIGURE")
    return parser.parse_args()


def measured(plan: Plan, names: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        rows.extend(FIGURES[name](plan))
    return rows


def main() -> int:
    options = arguments()
    # The crashes that are measured are logged to nowhere: a record is made of each, and none is printed.
    logging.getLogger("scriptorium").addHandler(logging.NullHandler())
    rows = measured(Plan(options.rounds, options.scale), options.only)
    failed = [row for row in rows if row.verdict in {Verdict.MISSED, Verdict.FAILED}]
    if options.json:
        result = {
            "benchmark": "runtime",
            "python": platform.python_version(),
            "trio": version("trio"),
            "cpus": os.cpu_count(),
            "load_average": os.getloadavg(),
            "rounds": options.rounds,
            "scale": options.scale,
            "rows": [row.as_json() for row in rows],
            "missed": [row.title for row in failed],
        }
        print(json.dumps(result))
    else:
        print(table(rows))
        print(closing(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
