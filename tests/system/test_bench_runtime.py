"""The runtime's benchmark runs, needs no peer, and says which targets are missed. Figures are not judged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.runtime.peers import PEERS
from benchmarks.runtime.report import Row, Target, Verdict, closing, table
from benchmarks.runtime.rounds import Plan, alone, contest

ROOT = Path(__file__).resolve().parents[2]
TINY = ("--scale", "0.001", "--rounds", "1")
ABSENT = "raise ModuleNotFoundError('not here', name=__name__)\n"


@pytest.fixture
def no_peers(tmp_path: Path) -> Path:
    """A folder that hides the peers which may be installed."""
    for name in PEERS:
        (tmp_path / f"{name}.py").write_text(ABSENT)
    return tmp_path


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "bench_runtime.py", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_every_figure_is_measured_and_peers_that_are_not_there_are_said(no_peers: Path) -> None:
    done = bench(no_peers, *TINY, "--json")
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    verdicts = {(row["figure"], row["against"]): row["verdict"] for row in result["rows"]}
    peers = {against for (_, against), verdict in verdicts.items() if verdict == "not installed"}
    assert peers == set(PEERS)
    measured = [row for row in result["rows"] if row["against"] not in peers]
    assert len(measured) == 10
    assert all(row["measured"] > 0 and row["target"] for row in measured)
    assert len(result["missed"]) == list(verdicts.values()).count("MISSED")
    assert "FAILED" not in verdicts.values()
    assert done.returncode == bool(result["missed"]), done.stderr


@pytest.mark.slow
def test_a_peer_that_is_there_and_fails_is_no_success(no_peers: Path) -> None:
    (no_peers / "pykka.py").write_text("")
    done = bench(no_peers, *TINY, "--only", "tell")
    assert done.returncode == 1, done.stderr
    line = next(line for line in done.stdout.splitlines() if "  pykka  " in line)
    assert line.endswith("FAILED (pykka ended with exit code 1)")
    assert "no attribute 'ThreadingActor'" in done.stderr
    closing_line = done.stdout.splitlines()[-1]
    assert "FAILED: supervised tell against pykka" in closing_line
    assert closing_line.endswith(
        "not installed: " + ", ".join(f"supervised tell against {name}" for name in PEERS if name != "pykka")
    )


@pytest.mark.parametrize(
    ("target", "measured", "ratio", "verdict"),
    [
        (Target(">=", 0.42), 1.0, 0.42, Verdict.MET),
        (Target(">=", 0.42), 1.0, 0.419, Verdict.MISSED),
        (Target("<=", 1.2), 9.0, 1.2, Verdict.MET),
        (Target("<=", 1.2), 1.0, 1.21, Verdict.MISSED),
        (Target("<=", 10.0, "kB"), 10.0, 20.0, Verdict.MET),
        (Target("<", 5.0, "ms"), 5.0, None, Verdict.MISSED),
        (Target(">=", 4.5), None, None, Verdict.FAILED),
    ],
)
def test_a_ratio_or_the_figure_itself_is_held_against_the_target(
    target: Target, measured: float | None, ratio: float | None, verdict: Verdict
) -> None:
    assert Row("figure", "us", target, "peer", measured, 1.0, ratio).verdict is verdict


def test_the_table_and_its_closing_line_name_what_is_missed() -> None:
    rows = [
        Row("tell", "messages/s", Target(">=", 4.5), "raw", 3_000_000.0, 1_000_000.0, 3.0),
        Row("stop", "s", Target("<", 1.0, "s"), measured=0.5),
        Row(
            "tell", "messages/s", Target(">=", 4.5), "other", installed=False, note="No module named 'other'"
        ),
    ]
    lines = table(rows).splitlines()
    assert lines[1].split() == [
        "tell",
        "3,000,000",
        "messages/s",
        "raw",
        "1,000,000",
        "messages/s",
        "3.00",
        "x",
        ">=",
        "4.5x",
        "MISSED",
    ]
    assert lines[2].split() == ["stop", "0.5", "s", "<", "1", "s", "met"]
    assert lines[3].endswith("not installed (No module named 'other')")
    assert closing(rows) == "1 of 3 targets met; MISSED: tell against raw; not installed: tell against other"


def test_subject_and_peer_alternate_and_the_medians_are_taken() -> None:
    order: list[str] = []
    ours, theirs = iter([100.0, 2.0, 30.0, 4.0]), iter([100.0, 1.0, 10.0, 4.0])

    def subject() -> float:
        order.append("subject")
        return next(ours)

    def peer() -> float:
        order.append("peer")
        return next(theirs)

    found = contest(Plan(rounds=3, scale=1.0), subject, peer)
    assert order == ["subject", "peer"] * 2 + ["peer", "subject"] + ["subject", "peer"]
    assert (found.subject, found.peer) == (4.0, 4.0)
    assert (found.ratio, found.spread) == (2.0, (1.0, 3.0))


def test_a_figure_without_a_peer_is_the_median_of_its_rounds() -> None:
    values = iter([100.0, 3.0, 1.0, 2.0])
    assert alone(Plan(rounds=3, scale=1.0), lambda: next(values)) == 2.0
