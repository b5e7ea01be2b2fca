"""A service with nothing to do: it costs nothing, and still notices what others do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import MakePlace
from .history import plan_log, subjects
from .places import SPEC, Place, good
from .waiting import until

pytestmark = pytest.mark.slow

WATCHED_TICKS = 4
"""Ticks of a second of the service, counted by its own sleeps, during which it is watched."""
CPU_SECONDS_A_TICK = 0.05
"""A tick is a few `stat` calls, well below a millisecond. A busy loop takes a whole second of each; this is
far from both, so that neither a slow machine nor the measure (hundredths of a second) decides."""


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_seconds(pid: int) -> float:
    """User and system time of the process and of the children that it has waited for."""
    return sum(int(ticks) for ticks in _stat(pid)[11:15]) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        found.update(map(int, (task / "children").read_text().split()))
    return found


def _switches(pid: int) -> int:
    """How often the main thread went to sleep by itself."""
    status = Path(f"/proc/{pid}/task/{pid}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


@pytest.mark.req("V1-04")
def test_it_waits_without_a_process_a_commit_or_a_busy_loop_and_hears_of_a_spec(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1")]}, spec=None, planted=False)
    service = place.run()
    service.wait_for("base branch main is green")
    # It comes to rest: what the start left to do is done once a whole tick costs no process.
    asleep = _switches(service.pid)
    until(lambda: _switches(service.pid) > asleep + 1, "the first ticks")
    before, commits, log = _cpu_seconds(service.pid), plan_log(place), service.log
    seen: set[int] = set()

    def watched() -> bool:
        seen.update(_children(service.pid))
        return _switches(service.pid) >= asleep + 2 + WATCHED_TICKS

    asleep = _switches(service.pid)
    until(watched, "some ticks of idleness")
    used, slept = _cpu_seconds(service.pid) - before, _switches(service.pid) - asleep
    assert seen == set()
    assert plan_log(place) == commits
    assert service.log == log
    assert used < CPU_SECONDS_A_TICK * slept, f"{used} s of CPU time in {slept} wake-ups"
    assert service.process.poll() is None

    done = place.scriptorium("plan", "--from", "-", stdin=SPEC)
    assert done.returncode == 0, done.stderr
    service.wait_for(r"\d{4} landed")
    assert len(subjects(place, "update spec")) == 1
    service.stop()


@pytest.mark.req("V1-04")
def test_it_notices_a_commit_that_somebody_else_makes_on_the_base(make: MakePlace) -> None:
    place: Place = make({}, spec=None, planted=False, gated=True)
    service = place.run()
    service.wait_for("base branch main is green")
    place.commit({"parts/mine.txt": "bad\n"})
    service.wait_for("base branch main is red")
    service.stop()
