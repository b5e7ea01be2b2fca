"""Floods of output, a large prompt and a crowd of quiet agents, small enough for every run: what they take
of memory is judged here, how long they take is not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.process.crowd import quiet_crowd
from benchmarks.process.flood import flood, lines_of

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 10**6
MOST_GROWTH_BYTES = 50 * 1024**2
MOST_RESIDENT_BYTES = 150 * 1024**2

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("kind", "output_repeats"), [("lines", 100), ("short lines", 1)])
def test_a_flood_of_lines_is_logged_and_parsed_in_bounded_memory(
    tmp_path: Path, kind: str, output_repeats: int
) -> None:
    size = 80 * MEGABYTE  # more than may be kept
    found = flood(kind, size, tmp_path)
    assert found.logged_bytes == size
    unit = lines_of(output_repeats)
    whole, rest = divmod(size, len(unit))
    # What is cut off in the middle at the end is heard too, as a line that is not understood.
    in_rest = unit[:rest].count(b"\n") + (not unit[:rest].endswith(b"\n"))
    assert found.lines == whole * unit.count(b"\n") + in_rest
    assert found.grown_bytes < MOST_GROWTH_BYTES


def test_a_flood_in_one_line_is_logged_whole_in_bounded_memory(tmp_path: Path) -> None:
    size = 200 * MEGABYTE
    found = flood("one line", size, tmp_path)
    assert found.logged_bytes == size
    assert found.lines == 1
    assert found.grown_bytes < MOST_GROWTH_BYTES


def test_a_large_prompt_is_fed_in_bounded_memory(tmp_path: Path) -> None:
    found = flood("prompt", 10 * MEGABYTE, tmp_path)
    assert found.answer == str(10 * MEGABYTE)
    assert found.grown_bytes < MOST_GROWTH_BYTES


def test_a_crowd_of_quiet_agents_leaves_the_service_small_and_itself_not_at_all(tmp_path: Path) -> None:
    found = quiet_crowd(tmp_path, agents=12, seconds=2.0)
    assert found.resident_bytes < MOST_RESIDENT_BYTES
    assert found.left == 0


def test_every_figure_is_measured_beside_its_target() -> None:
    small = ("--rounds", "1", "--megabytes", "2", "--agents", "2", "--seconds", "0.5")
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "bench_process.py", *small, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert [row["figure"] for row in result["rows"]] == [
        "2 MB in lines",
        "2 MB in lines, memory",
        "2 MB in one line",
        "2 MB in one line, memory",
        "1 MB in lines of 200 bytes",
        "a prompt of 10 MB, memory",
        "2 quiet agents, the service",
        "2 quiet agents, its memory",
        "2 quiet agents, left at its end",
    ]
    assert all(row["measured"] is not None for row in result["rows"])
    missed = [row["figure"] for row in result["rows"] if row["verdict"] != "met"]
    assert len(result["missed"]) == len(missed)
    assert done.returncode == bool(missed), done.stderr
