"""Run records: one small file for each process that runs, so that a later start and `status` can find it.

Read and written without trio. A record is written, and an agent's synced, before its process exists; the pid
is added after. A crash between the two leaves a record without pid, and the process is found by its mark.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from attrs import asdict, evolve, field, frozen

from scriptorium.harness.proc import boot_id, read_stat

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_RECORD_BYTES: Final = 4 * 1024 * 1024  # argv may be as long as the kernel allows (ARG_MAX)
_SUFFIX: Final = ".json"
_ROOM_BYTES: Final = 40
"""Left at the end of a new record for the pid and the start time (two numbers instead of two nulls)."""
_PAGE_BYTES: Final = 4096

T = TypeVar("T")


def check_run_id(run_id: str) -> None:
    """Raise ValueError unless `run_id` can be a file name and part of an environment."""
    if _RUN_ID.fullmatch(run_id) is None:
        raise ValueError(f"{run_id!r} is not a run id: letters, digits, '.', '_' and '-', at most 128")


@frozen
class RunFacts:
    """What a run is for, as far as others want to know it. `role` is an agent's role, or `check`."""

    role: str = ""
    ticket: str | None = None
    area: str | None = None
    branch: str | None = None
    worktree: str | None = None
    harness: str | None = None
    attempt: int | None = None


@frozen
class RunRecord:
    """One run. `started` is RFC 3339 in UTC; `start_time` is in ticks since the boot `boot`.

    `pid` and `start_time` are None until the process has been started.
    """

    run_id: str
    facts: RunFacts
    started: str
    argv: tuple[str, ...]
    boot: str = field(factory=boot_id)
    pid: int | None = None
    start_time: int | None = None

    def with_process(self, pid: int, start_time: int) -> RunRecord:
        """The record once its process runs."""
        return evolve(self, pid=pid, start_time=start_time)

    @property
    def alive(self) -> bool:
        """Whether its first process still runs."""
        return self.boot == boot_id() and is_alive(self.pid, self.start_time)


@frozen
class ServiceRecord:
    """The service that runs on a repository, for `status`. Fields as in `RunRecord`."""

    pid: int
    start_time: int
    endpoint: str
    started: str
    boot: str = field(factory=boot_id)

    @property
    def alive(self) -> bool:
        """Whether that service still runs."""
        return self.boot == boot_id() and is_alive(self.pid, self.start_time)


def is_alive(pid: int | None, start_time: int | None) -> bool:
    """Whether the process with this pid and start time (ticks since this boot) runs. A zombie does not."""
    if pid is None or start_time is None or pid <= 0:
        return False
    stat = read_stat(pid)
    return stat is not None and stat.start_time == start_time and not stat.ended


def record_path(runs_dir: Path, run_id: str) -> Path:
    """Where the record of a run is."""
    check_run_id(run_id)
    return runs_dir / f"{run_id}{_SUFFIX}"


def write_record(runs_dir: Path, record: RunRecord, *, durable: bool) -> None:
    """Write or replace the record of a run. `durable`: on return it survives a power cut. Raises OSError."""
    content = _content(record)
    _write(record_path(runs_dir, record.run_id), content.ljust(len(content) + _ROOM_BYTES), durable=durable)


def _content(record: RunRecord) -> bytes:
    content = {**asdict(record), **asdict(record.facts)}
    del content["facts"]
    return json.dumps(content).encode()


def add_process(runs_dir: Path, record: RunRecord) -> None:
    """Put the pid and start time into the record that `write_record` wrote. Raises OSError.

    In place, in one write of less than a page: whoever reads sees the old or the new. A power cut may tear
    it, and leaves no process to look for.
    """
    content = _content(record)
    with record_path(runs_dir, record.run_id).open("r+b", buffering=0) as file:
        room = os.fstat(file.fileno()).st_size
        if len(content) <= room <= _PAGE_BYTES:
            file.write(content.ljust(room))
            return
    write_record(runs_dir, record, durable=False)


def remove_record(runs_dir: Path, run_id: str) -> None:
    """Remove the record of a run; none there is fine."""
    record_path(runs_dir, run_id).unlink(missing_ok=True)


def read_records(runs_dir: Path) -> tuple[RunRecord, ...]:
    """All records that can be read, by run id. A file that is no record is passed over."""
    records = (_record_of(runs_dir, run_id) for run_id in _recorded_ids(runs_dir))
    return tuple(record for record in records if record is not None)


def read_all_records(runs_dir: Path) -> tuple[RunRecord, ...]:
    """Like `read_records`, with a bare record for each damaged one: its name alone finds its processes."""
    return tuple(
        _record_of(runs_dir, run_id) or RunRecord(run_id, RunFacts(), started="", argv=())
        for run_id in _recorded_ids(runs_dir)
    )


def write_service_record(path: Path, *, endpoint: str, started: str) -> ServiceRecord:
    """Say that this process is the service, in the file `path`. Raises OSError."""
    stat = read_stat(os.getpid())
    if stat is None:
        raise OSError(f"/proc/{os.getpid()}/stat cannot be read: is /proc mounted?")
    record = ServiceRecord(stat.pid, stat.start_time, endpoint, started)
    _write(path, json.dumps(asdict(record)).encode(), durable=False)
    return record


def read_service_record(path: Path) -> ServiceRecord | None:
    """The service that wrote `path`, alive or not; None when there is no such file or it is damaged."""
    content = _read(path)
    try:
        return ServiceRecord(
            pid=_of(content, "pid", int),
            start_time=_of(content, "start_time", int),
            endpoint=_of(content, "endpoint", str),
            started=_of(content, "started", str),
            boot=_of(content, "boot", str),
        )
    except _DamagedError:
        return None


def remove_service_record(path: Path) -> None:
    """Say that the service is over."""
    path.unlink(missing_ok=True)


class _DamagedError(ValueError):
    pass


def _recorded_ids(runs_dir: Path) -> list[str]:
    try:
        names = sorted(path.name for path in runs_dir.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    ids = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
    return [run_id for run_id in ids if _RUN_ID.fullmatch(run_id)]


def _record_of(runs_dir: Path, run_id: str) -> RunRecord | None:
    record = _run_record(_read(record_path(runs_dir, run_id)))
    return record if record is not None and record.run_id == run_id else None


def _run_record(content: Mapping[str, object]) -> RunRecord | None:
    try:
        argv = _of(content, "argv", list)
        record = RunRecord(
            run_id=_of(content, "run_id", str),
            facts=RunFacts(
                role=_of(content, "role", str),
                ticket=_maybe(content, "ticket", str),
                area=_maybe(content, "area", str),
                branch=_maybe(content, "branch", str),
                worktree=_maybe(content, "worktree", str),
                harness=_maybe(content, "harness", str),
                attempt=_maybe(content, "attempt", int),
            ),
            started=_of(content, "started", str),
            argv=tuple(str(word) for word in argv),
            boot=_of(content, "boot", str),
            pid=_maybe(content, "pid", int),
            start_time=_maybe(content, "start_time", int),
        )
    except _DamagedError:
        return None
    return record


def _of(content: Mapping[str, object], key: str, kind: type[T]) -> T:
    value = content.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _DamagedError(key)
    return value


def _maybe(content: Mapping[str, object], key: str, kind: type[T]) -> T | None:
    return None if content.get(key) is None else _of(content, key, kind)


def _read(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_MAX_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: bytes, *, durable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The name does not end in the suffix: a half-written file is never taken for a record.
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(fd, "wb") as file:  # noqa: PTH123 - it is a descriptor
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
