"""Run records: written whole or not at all, read without trust, and without trio."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scriptorium.harness.proc import boot_id, read_stat
from scriptorium.harness.records import (
    RunFacts,
    RunRecord,
    add_process,
    is_alive,
    read_all_records,
    read_records,
    read_service_record,
    remove_record,
    remove_service_record,
    write_record,
    write_service_record,
)

RECORD = RunRecord(
    run_id="r1",
    facts=RunFacts("coding", "0001", None, "scriptorium/ticket-0001", "/w/0001", "codex", 2),
    started="2030-01-02T12:00:00Z",
    argv=("codex", "exec", "-"),
)


@pytest.mark.parametrize("durable", [True, False])
def test_a_record_is_read_back(tmp_path: Path, durable: bool) -> None:
    runs = tmp_path / "state" / "runs"
    write_record(runs, RECORD, durable=durable)
    assert read_records(runs) == (RECORD,)
    assert not RECORD.alive
    me = read_stat(os.getpid())
    assert me is not None
    mine = RECORD.with_process(me.pid, me.start_time)
    write_record(runs, mine, durable=durable)
    assert read_records(runs) == (mine,)
    assert mine.alive
    assert [path.name for path in runs.iterdir()] == ["r1.json"]
    remove_record(runs, "r1")
    remove_record(runs, "r1")
    assert read_records(runs) == ()


def test_no_folder_no_records(tmp_path: Path) -> None:
    assert read_records(tmp_path / "none") == ()
    assert read_records(Path("/dev/null")) == ()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "\udcff",
        "[" * 100_000,
        "1" * 5000,
        json.dumps({"run_id": "bad"}),
        json.dumps({"run_id": "other", "role": "", "started": "", "boot": "", "argv": []}),
        json.dumps({"run_id": "bad", "role": "", "started": "", "boot": "", "argv": [], "pid": True}),
        json.dumps({"run_id": "bad", "role": "", "started": "", "boot": "", "argv": [], "attempt": "1"}),
    ],
)
def test_a_damaged_record_is_passed_over_and_keeps_its_name(tmp_path: Path, content: str) -> None:
    write_record(tmp_path, RECORD, durable=False)
    (tmp_path / "bad.json").write_text(content, errors="surrogateescape")
    (tmp_path / "a b.json").write_text("{}")
    (tmp_path / ".r2.json.1.new").write_text("{}")
    (tmp_path / "folder.json").mkdir()
    assert read_records(tmp_path) == (RECORD,)
    assert [record.run_id for record in read_all_records(tmp_path)] == ["bad", "folder", "r1"]


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", "-x", ".x", "a\n", "a b", "x" * 129, "é"])
def test_a_run_id_is_a_safe_file_name(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(ValueError, match="is not a run id"):
        remove_record(tmp_path, run_id)


def test_a_process_is_its_pid_and_its_start_time() -> None:
    me = read_stat(os.getpid())
    assert me is not None
    assert is_alive(me.pid, me.start_time)
    assert not is_alive(me.pid, me.start_time + 1)
    assert not is_alive(None, me.start_time)
    assert not is_alive(me.pid, None)
    assert not is_alive(-1, 0)


def test_a_record_of_another_boot_is_dead() -> None:
    me = read_stat(os.getpid())
    assert me is not None
    other = RunRecord("r1", RunFacts(), "", (), "another boot", me.pid, me.start_time)
    assert not other.alive


def test_the_service_record(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    assert read_service_record(path) is None
    written = write_service_record(path, endpoint="http://127.0.0.1:1", started="2030-01-02T12:00:00Z")
    assert read_service_record(path) == written
    assert written.alive
    assert (written.pid, written.boot) == (os.getpid(), boot_id())
    path.write_text("{}")
    assert read_service_record(path) is None
    remove_service_record(path)
    remove_service_record(path)


def test_records_are_read_without_trio() -> None:
    code = (
        "import sys, scriptorium.harness.records;"
        "print([name for name in ('trio', 'asyncio', 'cattrs', 'ctypes') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_the_process_is_put_into_the_record_in_place(tmp_path: Path) -> None:
    facts = RunFacts(role="coding", ticket="0001")
    record = RunRecord("run-in-place", facts, "2026-01-02T03:04:05Z", ("a", "ü"))
    write_record(tmp_path, record, durable=False)
    (before,) = tmp_path.iterdir()
    inode, size = before.stat().st_ino, before.stat().st_size
    started = record.with_process(4_194_304, 10**15)
    add_process(tmp_path, started)
    assert read_records(tmp_path) == (started,)
    assert (before.stat().st_ino, before.stat().st_size) == (inode, size)
    (after,) = tmp_path.iterdir()
    assert after == before


def test_a_long_record_gets_its_process_too(tmp_path: Path) -> None:
    record = RunRecord("run-long", RunFacts(role="check"), "2026-01-02T03:04:05Z", ("x" * 10_000,))
    write_record(tmp_path, record, durable=False)
    add_process(tmp_path, record.with_process(7, 8))
    assert read_records(tmp_path) == (record.with_process(7, 8),)
