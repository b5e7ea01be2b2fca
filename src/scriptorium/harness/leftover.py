"""Which process a dead service's run record means. The record lies where agents can write: it is believed
only where something bears it out that an agent could not have made up.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from scriptorium.harness.membership import ProcessId
from scriptorium.harness.proc import Marked, read_mark, read_stat
from scriptorium.harness.records import RunRecord, record_path

SLACK_SECONDS: Final = 10.0
"""Between the start of a process and the moment its pid was put into the record, on a busy machine."""

_UNSETTLED_LOOKS: Final = 1000
"""A process is between two programs for some microseconds, on a busy machine for some more."""


def believed_leader(runs_dir: Path, record: RunRecord) -> ProcessId | None:
    """The first process of a run of this boot, if it still runs and is the run's beyond doubt.

    It has the pid and the start time of the record, and either the run's mark or was started just when the
    record was last written: that time is the kernel's. So a pid that is used again, and a record that
    somebody made up or wrote into to have another process killed, lead to none.
    """
    if record.pid is None or record.start_time is None:
        return None
    stat = read_stat(record.pid)
    if stat is None or stat.start_time != record.start_time:
        return None
    if _is_marked(record.pid, record.run_id) or _was_written_at(
        runs_dir, record, _wall_time(stat.start_time)
    ):
        return ProcessId(record.pid, record.start_time)
    return None


def _is_marked(pid: int, run_id: str) -> bool:
    for _ in range(_UNSETTLED_LOOKS):
        mark = read_mark(pid, run_id)
        if mark is not Marked.UNSETTLED:
            return mark is Marked.YES
        os.sched_yield()
    return False


def _was_written_at(runs_dir: Path, record: RunRecord, started: float) -> bool:
    try:
        written = record_path(runs_dir, record.run_id).lstat().st_ctime
    except OSError:
        return False
    return abs(written - started) <= SLACK_SECONDS


def _wall_time(ticks: int) -> float:
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK")
