"""What a record in the folder of runs may have killed at the next start, and what it may not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from scriptorium.harness import leftover
from scriptorium.harness.leftover import believed_leader
from scriptorium.harness.membership import ProcessId
from scriptorium.harness.proc import MARK, read_stat
from scriptorium.harness.process import ProcessRunner
from scriptorium.harness.records import RunFacts, RunRecord, add_process, read_records, write_record

from .worlds import new_run_id


@contextmanager
def process(**env: str) -> Iterator[tuple[int, int]]:
    """A process with just this environment, in a session of its own: its pid and start time."""
    environment: Mapping[str, str] = {"PATH": os.environ["PATH"], **env}
    with subprocess.Popen(["sleep", "600"], env=environment, start_new_session=True) as started:
        try:
            stat = read_stat(started.pid)
            assert stat is not None
            yield stat.pid, stat.start_time
        finally:
            started.kill()


def recorded(folder: Path, run_id: str, pid: int, start_time: int) -> RunRecord:
    """A record, written as a service does."""
    record = RunRecord(run_id, RunFacts("coding", "0001"), "2030-01-01T00:00:00Z", ("sleep", "600"))
    write_record(folder, record, durable=False)
    add_process(folder, record.with_process(pid, start_time))
    (read,) = read_records(folder)
    return read


@pytest.mark.parametrize("marked", [True, False])
def test_the_process_that_was_started_as_the_record_was_written(tmp_path: Path, marked: bool) -> None:
    run_id = new_run_id()
    with process(**({MARK: run_id} if marked else {})) as (pid, start_time):
        record = recorded(tmp_path, run_id, pid, start_time)
        assert believed_leader(tmp_path, record) == ProcessId(pid, start_time)


def test_a_mark_says_it_whenever_the_record_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftover, "SLACK_SECONDS", -1.0)
    run_id = new_run_id()
    with process(**{MARK: run_id}) as (pid, start_time):
        assert believed_leader(tmp_path, recorded(tmp_path, run_id, pid, start_time))
    with process(**{MARK: new_run_id()}) as (pid, start_time):
        assert believed_leader(tmp_path, recorded(tmp_path, run_id, pid, start_time)) is None


def test_a_pid_that_is_used_again_is_nobody(tmp_path: Path) -> None:
    run_id = new_run_id()
    with process(**{MARK: run_id}) as (pid, start_time):
        assert believed_leader(tmp_path, recorded(tmp_path, run_id, pid, start_time - 1)) is None
    assert believed_leader(tmp_path, recorded(tmp_path, run_id, pid, start_time)) is None


async def test_a_record_that_an_agent_made_up_kills_no_process_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the user's process had been there long before: it carries no mark of the run."""
    monkeypatch.setattr(leftover, "SLACK_SECONDS", -1.0)
    with process() as (pid, start_time):
        recorded(tmp_path, new_run_id(), pid, start_time)
        (dead,) = await ProcessRunner(tmp_path, durable=False).sweep_dead_service()
        assert (dead.killed, dead.all_gone) == (0, True)
        stat = read_stat(pid)
        assert stat is not None
        assert not stat.ended
    assert read_records(tmp_path) == ()


def test_a_record_that_is_gone_bears_nothing_out(tmp_path: Path) -> None:
    run_id = new_run_id()
    with process() as (pid, start_time):
        record = recorded(tmp_path, run_id, pid, start_time)
        (tmp_path / f"{run_id}.json").unlink()
        assert believed_leader(tmp_path, record) is None
