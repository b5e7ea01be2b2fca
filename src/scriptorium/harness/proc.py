"""Reads /proc: who a process is, who its parent is, and which run it belongs to. Linux; needs no trio.

A process is its pid *and* its start time: a pid alone may be somebody else by now.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from attrs import frozen

MARK: Final = "SCRIPTORIUM_RUN"
"""The environment variable that every process of a run carries; its value is the run's id."""

_ZOMBIE_STATES: Final = frozenset("ZXx")
_READ_BYTES: Final = 65536


@frozen
class Stat:
    """One line of /proc/<pid>/stat: the fields that say who a process is (see proc_pid_stat(5)).

    `start_time` is in clock ticks since boot.
    """

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_time: int

    @property
    def ended(self) -> bool:
        """Whether it runs no more and only waits to be reaped."""
        return self.state in _ZOMBIE_STATES


def read_stat(pid: int) -> Stat | None:
    """Who `pid` is now; None when there is no such process."""
    try:
        content = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    return _parse_stat(pid, content)


@frozen
class Table:
    """All processes that could be seen in one look, by pid.

    `torn` when one of them ended during the look: a child that it left meanwhile may be missing.
    """

    stats: dict[int, Stat]
    torn: bool


def scan() -> Table:
    """All processes that can be seen now. About 10 µs each."""
    # A Path for each process would cost more than reading it.
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208
    found = {pid: stat for pid in pids if (stat := read_stat(pid)) is not None}
    return Table(found, torn=len(found) < len(pids))


def carries_mark(pid: int, run_id: str) -> bool:
    """Whether the environment that `pid` was started with says that it belongs to the run.

    False when it cannot be read: another user's process, one that has ended, a kernel thread.
    """
    wanted = f"{MARK}={run_id}\0".encode()
    try:
        environment = b"\0" + _read(f"/proc/{pid}/environ") + b"\0"
    except OSError:
        return False
    return b"\0" + wanted in environment


@cache
def boot_id() -> str:
    """Which boot of the machine this is: start times of two boots must not be compared."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def ancestors(pid: int, table: dict[int, Stat]) -> Iterator[int]:
    """The parents of `pid`, nearest first, as far as the table shows them."""
    seen = {pid}
    while (stat := table.get(pid)) is not None and stat.parent not in seen:
        pid = stat.parent
        seen.add(pid)
        yield pid


def _parse_stat(pid: int, content: bytes) -> Stat | None:
    # The name stands in parentheses and may itself hold spaces, parentheses and newlines.
    fields = content[content.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return Stat(
        pid=pid,
        state=fields[0].decode("ascii"),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start_time=int(fields[19]),
    )


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(fd, _READ_BYTES)
        if len(content) < _READ_BYTES:
            return content
        pieces = [content]
        while piece := os.read(fd, _READ_BYTES):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(fd)
