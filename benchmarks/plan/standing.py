"""What looking at a plan costs: from nothing, and again when nothing has changed."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from scriptorium.plan.layout import TicketState
from scriptorium.plan.reading import PlanReader

LOOKS = 100
MARK = "a plan that stands still"

# Read twice, with longer between than any clock of a file system stands still, the files are trusted.
STANDING_STILL = f"""\
import itertools, os, sys
from pathlib import Path
from scriptorium.plan.reading import PlanReader
from scriptorium.plan.ref_sight import SETTLED_SECONDS
reader = PlanReader(Path(sys.argv[1]), clock=itertools.count(0, SETTLED_SECONDS).__next__)
reader.read(), reader.read()
os.write(2, {MARK.encode()!r})
for _ in range({LOOKS}):
    reader.read()
os.write(2, {MARK.encode()!r})
"""


def cold_seconds(git_dir: Path, rounds: int) -> float:
    """What `status` asks of a plan, from opening the repository on, in this process: the median."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        snapshot = PlanReader(git_dir).read()
        counts = {state: len(folder.names) for state, folder in snapshot.folders.items()}
        working = [file.ticket.area for file in snapshot.in_state(TicketState.IN_PROGRESS)]
        waiting = [entry.ticket for entry in snapshot.pending]
        found = (counts, working, waiting, snapshot.problems)
        taken.append(time.perf_counter() - began)
        assert sum(counts.values()), found
    return statistics.median(taken)


def calls_standing_still(git_dir: Path, folder: Path) -> float | None:
    """The system calls of reading a held snapshot that did not change; None without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    trace = folder / "trace"
    argv = [strace, "-f", "-o", str(trace), sys.executable, "-c", STANDING_STILL, str(git_dir)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    lines = trace.read_text().splitlines() if trace.exists() else []
    marks = [number for number, line in enumerate(lines) if f'write(2, "{MARK}"' in line]
    if done.returncode or len(marks) != 2:
        print(f"strace has found nothing:\n{done.stderr}", file=sys.stderr)
        return None
    return (marks[1] - marks[0] - 1) / LOOKS
