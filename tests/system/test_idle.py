"""A service with nothing to do: it costs nothing, and still notices what others do."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from .conftest import MakePlace
from .history import plan_log, subjects
from .places import SPEC, Place, good
from .waiting import until

pytestmark = pytest.mark.slow

WATCHED_SECONDS = 4.0
WAKE_UPS_A_SECOND = 10.0
"""By design there is one tick a second; the loop's watchdog and the server's own timers add a few. What polls
wakes up a hundred times and more. A slow machine makes the figure smaller, never larger."""
CPU_SHARE = 0.05
"""A tick is a few `stat` calls, well below a millisecond of each second; a busy loop takes all of it."""


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


def _wake_ups(pid: int) -> int:
    """How often any thread of it has gone to sleep, and so has been woken."""
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        found += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return found


@pytest.mark.req("V1-04")
def test_it_waits_without_a_process_a_commit_or_a_busy_loop_and_hears_of_a_spec(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1")]}, spec=None, planted=False)
    service = place.run()
    service.wait_for("base branch main is green")
    # The start is over once the processes of the base's check are gone.
    until(lambda: not _children(service.pid), "rest")
    commits, log = plan_log(place), service.log
    seen: set[int] = set()
    began, woken, used = time.monotonic(), _wake_ups(service.pid), _cpu_seconds(service.pid)

    def watched() -> bool:
        seen.update(_children(service.pid))
        return time.monotonic() - began > WATCHED_SECONDS

    until(watched, "some seconds of idleness")
    elapsed = time.monotonic() - began
    woken, used = _wake_ups(service.pid) - woken, _cpu_seconds(service.pid) - used
    assert seen == set()
    assert woken < WAKE_UPS_A_SECOND * elapsed, f"{woken} wake-ups in {elapsed} s"
    assert used < CPU_SHARE * elapsed, f"{used} s of CPU time in {elapsed} s"
    assert plan_log(place) == commits
    assert service.log == log
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
