"""Measures reading, feeding and a crowd of quiet agents, and prints every figure beside its target."""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.process.crowd import Quiet, quiet_crowd
from benchmarks.process.flood import Flood, flood
from benchmarks.runtime.report import Row, Target, Verdict, closing, compared, table
from benchmarks.runtime.rounds import Contest

RATE = Target(">=", 50.0, "MB/s")
GROWTH = Target("<", 50.0, "MiB")
MEBIBYTE = 1024 * 1024
BARE = "a bare loop"


def measured(kind: str, size: int, rounds: int, contender: str = "runner") -> list[Flood]:
    """So many floods of one kind, one after the other."""
    print(f"{contender}: {kind}", file=sys.stderr, flush=True)
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="scriptorium-bench-") as name:
            found.append(flood(kind, size, Path(name), contender))
    return found


def reading(size: int, rounds: int) -> Iterator[Row]:
    """Output in lines as real agents print them, in one line, and in lines that are nearly all JSON."""
    for kind in ("lines", "one line"):
        floods = measured(kind, size, rounds)
        figure = f"{size // 10**6:,} MB in {kind}"
        yield Row(figure, "MB/s", RATE, measured=statistics.median(flood.rate for flood in floods))
        yield _growth(f"{figure}, memory", floods)
    # An agent that prints nothing but these is rarer than one that fills its log in a minute.
    short = max(10**6, size // 10)
    ours, theirs = measured("short lines", short, rounds), measured("short lines", short, rounds, "bare")
    ratios = [mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]
    rates = [statistics.median(flood.rate for flood in floods) for floods in (ours, theirs)]
    contest = Contest(rates[0], rates[1], statistics.median(ratios), (min(ratios), max(ratios)))
    yield compared(f"{short // 10**6:,} MB in lines of 200 bytes", "MB/s", BARE, contest, Target(">=", 0.33))


def feeding(size: int, rounds: int) -> Iterator[Row]:
    """A prompt, to a child that reads all of it."""
    floods = measured("prompt", size, rounds)
    if any(int(flood.answer) != size for flood in floods):
        raise RuntimeError(f"not all of the prompt has come: {floods}")
    yield _growth(f"a prompt of {size / 10**6:g} MB, memory", floods)


def crowd(agents: int, seconds: float) -> Iterator[Row]:
    """A service whose agents say nothing."""
    print(f"{agents} quiet agents", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="scriptorium-bench-") as name:
        quiet: Quiet = quiet_crowd(Path(name), agents, seconds)
    figure = f"{agents} quiet agents"
    yield Row(f"{figure}, the service", "% of a core", Target("<", 5.0, "%"), measured=quiet.share * 100)
    resident = quiet.resident_bytes / MEBIBYTE
    yield Row(f"{figure}, its memory", "MiB", Target("<", 150.0, "MiB"), measured=resident)
    yield Row(f"{figure}, left at its end", "", Target("<=", 0.0, "agents"), measured=float(quiet.left))


def _growth(figure: str, floods: list[Flood]) -> Row:
    grown = max(flood.grown_bytes for flood in floods) / MEBIBYTE
    return Row(figure, "MiB", GROWTH, measured=grown)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_process.py", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="rates are medians of so many")
    parser.add_argument("--megabytes", type=int, default=1000, help="of output in a flood")
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long the quiet agents are watched")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    found = [
        *reading(options.megabytes * 10**6, options.rounds),
        *feeding(10**7, options.rounds),
        *crowd(options.agents, options.seconds),
    ]
    failed = [row for row in found if row.verdict in {Verdict.MISSED, Verdict.FAILED}]
    if options.json:
        result = {
            "benchmark": "process",
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "load_average": os.getloadavg(),
            "rounds": options.rounds,
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
