"""The plan's benchmark runs, and says which targets are missed. Figures that depend on the machine are not
judged here; that a plan which stands still costs two system calls does not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.plan.plans import make_plan
from benchmarks.plan.standing import calls_standing_still

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="counting system calls takes strace"),
]


def test_every_figure_is_measured_against_git_in_the_same_run(tmp_path: Path) -> None:
    small = ("--sizes", "8", "30", "--rounds", "1", "--each", "1")
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "bench_plan.py", *small, "--json"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    rows = {row["figure"]: row for row in result["rows"]}
    assert list(rows) == [
        "moving a ticket, fsync off, 8 tickets",
        "moving a ticket, durable, 8 tickets",
        "a ticket's life, fsync off, 30 tickets",
        "a ticket's life, durable, 30 tickets",
        "a snapshot for status, 30 tickets",
        "a held snapshot, unchanged",
    ]
    assert all(row["measured"] > 0 for row in rows.values())
    missed = [row["figure"] for row in rows.values() if row["verdict"] != "met"]
    assert len(result["missed"]) == len(missed)
    assert done.returncode == bool(missed), done.stderr
    assert {(site["tickets"], site["where"]) for site in result["milliseconds"]} >= {
        (8, "on disk"),
        (30, "on disk"),
    }


@pytest.mark.parametrize("packed", [False, True])
def test_a_held_snapshot_that_did_not_change_costs_two_system_calls(tmp_path: Path, packed: bool) -> None:
    git_dir = make_plan(tmp_path / "repository", 8)
    if packed:
        subprocess.run(["git", "pack-refs", "--all"], cwd=tmp_path / "repository", check=True)
    calls = calls_standing_still(git_dir, tmp_path)
    assert calls is not None
    assert 0 < calls <= 2
