"""How long a day of orchestration takes on virtual time: the third example of docs/embedding.md.

A spec, three areas, a dozen tickets, agents that work for an hour or so and fail one time in five. Beside it
a bare trio loop that sleeps through as many minutes: what virtual time costs by itself. Prints a table, or
JSON with `--json`; exit 1 when a day takes more than its second, with its repository in memory (/dev/shm,
where there is one). The same on the disk is shown beside it: it is as fast as the disk is idle.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from scriptorium.testing import run_virtual

PAGE = Path(__file__).resolve().parent.parent / "docs" / "embedding.md"
MEMORY = Path("/dev/shm")  # noqa: S108 - each run makes a folder of its own there
TARGET_SECONDS = 1.0

Day = Callable[[str], Awaitable[list[str]]]


def example() -> dict[str, Any]:
    """The names that the example defines."""
    section = PAGE.read_text().partition("## A day in a second")[2]
    found = re.search(r"(?ms)^```python\n(.*?)^```$", section)
    assert found is not None, f"{PAGE} has no example of a day"
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(found[1], str(PAGE), "exec"), names)  # noqa: S102 - our own page
    return names


async def minutes(count: int) -> None:
    for _ in range(count):
        await trio.sleep(60)


def timed(day: Day, seed: int, place: Path | None) -> tuple[float, float]:
    """The seconds that a day takes in a new folder there, and its virtual hours."""
    with tempfile.TemporaryDirectory(prefix="scriptorium-bench-", dir=place) as folder:
        began = time.perf_counter()
        diary = run_virtual(day, folder, seed=seed)
        return time.perf_counter() - began, float(diary[-1].split()[0])


def measure(rounds: int) -> dict[str, float]:
    """Medians over so many seeds, all in each round, so that what else the machine does is in all alike."""
    day: Day = example()["day"]
    memory, disk, hours, bare = [], [], [], []
    for seed in range(rounds):
        taken, virtual = timed(day, seed, MEMORY if MEMORY.is_dir() else None)
        memory.append(taken)
        hours.append(virtual)
        disk.append(timed(day, seed, None)[0])
        began = time.perf_counter()
        run_virtual(minutes, round(virtual * 60), seed=seed)
        bare.append(time.perf_counter() - began)
    return {
        "day_seconds": statistics.median(memory),
        "day_on_disk_seconds": statistics.median(disk),
        "day_virtual_hours": statistics.median(hours),
        "bare_clock_seconds": statistics.median(bare),
        "virtual_over_real": statistics.median(hours) * 3600 / statistics.median(memory),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    found = measure(options.rounds)
    met = found["day_seconds"] <= TARGET_SECONDS
    if options.json:
        print(json.dumps({**found, "met": met}))
        return 0 if met else 1
    verdict = "met" if met else "MISSED"
    print(f"a day of a dozen tickets on virtual time, median of {options.rounds} seeds")
    print(f"  virtual time             {found['day_virtual_hours']:8.2f} h")
    print(
        f"  real time                {found['day_seconds']:8.2f} s   target {TARGET_SECONDS:g} s: {verdict}"
    )
    print(f"  real time, on the disk   {found['day_on_disk_seconds']:8.2f} s")
    print(f"  virtual over real        {found['virtual_over_real']:8.0f} x")
    print(f"  the clock's jumps alone  {found['bare_clock_seconds']:8.3f} s   one a minute")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
