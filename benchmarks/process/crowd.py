"""A whole service with a crowd of quiet agents: what it uses itself, of the processor and of memory."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import frozen

from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import AreaName
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import CreateTickets, UpdateAreas, UpdateSpec

COMMAND: Final = str(Path(sys.executable).with_name("scriptorium"))
PATIENCE_SECONDS: Final = 120.0
DRAFT: Final = """\
# All of {area}

## Goal

Make it.

## Acceptance Criteria

- It is there.

## Notes

None.
"""
AGENT: Final = 'echo $$ >"$1"; exec sleep 86400'
GIT_ENV: Final = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SCRIPTORIUM_"))},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}
IDENTITY: Final = ("-c", "user.name=A Person", "-c", "user.email=person@example.org")


@frozen
class Quiet:
    """The service while its agents are quiet. `share` of one core, over `seconds`; memory at the end."""

    agents: int
    seconds: float
    cpu_seconds: float
    resident_bytes: int
    left: int

    @property
    def share(self) -> float:
        """Of one core."""
        return self.cpu_seconds / self.seconds


def quiet_crowd(folder: Path, agents: int, seconds: float) -> Quiet:
    """Start a service with so many agents, watch it for so long, and stop it; `left` of its agents live on.

    Raises RuntimeError, with what the service said, when the agents do not all start.
    """
    root, started = folder / "repo", folder / "started"
    _repository(root, agents, started)
    with _service(root, folder / "service.log") as service:
        pids = _hear(started, agents, service, folder / "service.log")
        began, before = time.perf_counter(), _cpu_seconds(service.pid)
        try:
            service.wait(seconds)
            raise RuntimeError(f"the service has ended: {(folder / 'service.log').read_text()}")
        except subprocess.TimeoutExpired:
            pass
        watched, used = time.perf_counter() - began, _cpu_seconds(service.pid) - before
        resident = _resident_bytes(service.pid)
    return Quiet(agents, watched, used, resident, sum(map(_lives, pids)))


def _repository(root: Path, agents: int, started: Path) -> None:
    root.mkdir(parents=True)
    os.mkfifo(started)
    agent = {"harness": "command", "command": ["/bin/sh", "-c", AGENT, "agent", str(started)]}
    config = {"agents": {"coding": agent}, "concurrency": {"maxAgents": agents}, "checks": []}
    (root / "scriptorium.json").write_text(json.dumps(config))
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", *IDENTITY, *words], cwd=root, env=GIT_ENV, check=True)
    initialize(root / ".git")
    plan = PlanRepository(root / ".git")
    spec = plan.commit(UpdateSpec("# A spec\n\nBuild the parts.\n")).spec
    assert spec is not None
    # An area has one agent at a time.
    areas = [AreaName(f"area-{number}") for number in range(agents)]
    snapshot = plan.commit(UpdateAreas(spec.oid, {area: f"# {area}\n\nAll of it.\n" for area in areas}))
    for area in areas:
        drafts = validate_drafts(area, {f"all-of-{area}.md": DRAFT.format(area=area).encode()}, snapshot)
        snapshot = plan.commit(CreateTickets(area, snapshot.areas[area].oid, drafts, 0))


@contextmanager
def _service(root: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [COMMAND, "run", "--port", "0"],
            cwd=root,
            env=GIT_ENV,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as service,
    ):
        try:
            yield service
        finally:
            service.send_signal(signal.SIGTERM)
            try:
                service.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                service.kill()


def _hear(started: Path, agents: int, service: subprocess.Popen[bytes], log: Path) -> list[int]:
    """The pids of the agents, once all have started."""
    fifo = os.open(started, os.O_RDWR)  # to read; to write too, so that it never ends
    pidfd = os.pidfd_open(service.pid)
    deadline = time.monotonic() + PATIENCE_SECONDS
    told = b""
    try:
        while told.count(b"\n") < agents:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([fifo, pidfd], [], [], left)
            if fifo not in ready:
                heard = told.count(b"\n")
                raise RuntimeError(f"{heard} of {agents} agents have started: {log.read_text()}")
            told += os.read(fifo, 65536)
    finally:
        os.close(fifo)
        os.close(pidfd)
    return [int(line) for line in told.split()]


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_seconds(pid: int) -> float:
    return sum(int(ticks) for ticks in _stat(pid)[11:13]) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int) -> int:
    return int(_stat(pid)[21]) * os.sysconf("SC_PAGE_SIZE")


def _lives(pid: int) -> bool:
    try:
        return _stat(pid)[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False
