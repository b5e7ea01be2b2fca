"""Reads /proc: who a process is, who its parent is, and which run it belongs to. Linux; needs no trio.

A process is its pid *and* its start time: a pid alone may be somebody else by now.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

MARK: Final = "SCRIPTORIUM_RUN"
"""The environment variable that every process of a run carries; its value is the run's id."""

_ENDED: Final = (b"Z", b"X", b"x")
_GONE: Final = (FileNotFoundError, ProcessLookupError, PermissionError)
_READ_BYTES: Final = 65536
_NO_INODE: Final = 1
"""What /proc shows as the inode of a folder that the kernel could not make, for want of memory say."""


@frozen
class Stat:
    """One line of /proc/<pid>/stat: the fields that say who a process is (see proc_pid_stat(5)).

    `start_time` is in clock ticks since boot. `threads` counts those that live and the first one.
    """

    pid: int
    state: bytes
    parent: int
    group: int
    session: int
    start_time: int
    threads: int = 1

    @property
    def ended(self) -> bool:
        """Whether it runs no more and only waits to be reaped.

        One whose first thread has ended shows as a zombie, and lives on in the others.
        """
        return self.state in _ENDED and self.threads <= 1


def read_stat(pid: int) -> Stat | None:
    """Who `pid` is now; None when there is no such process.

    Raises OSError when that cannot be told, for want of descriptors say: it may well be there.
    """
    try:
        content = _read(f"/proc/{pid}/stat")
    except _GONE:
        return None
    return _parse_stat(pid, content)


@frozen
class Table:
    """The processes that could be seen in one look, by pid.

    `torn` when one of them ended during the look: a child that it left meanwhile may be missing.
    """

    stats: dict[int, Stat]
    torn: bool


@define(eq=False)
class Scanner:
    """Looks at all processes, and reads those anew that are not known to be older than what is looked for.

    A process is recognised by its pid and the number of its folder's inode in /proc, which the kernel gives
    out anew for every process: when each was started is read once. That is most of the cost of a look.
    """

    _started: dict[tuple[int, int], int] = field(factory=dict)

    def scan(self, since: int = 0) -> Table:
        """The processes that were started at `since` (ticks since boot) or later, and this one."""
        own = os.getpid()
        started: dict[tuple[int, int], int] = {}
        found: dict[int, Stat] = {}
        torn = False
        # Not with pathlib: a Path for each process would cost more than reading it.
        with os.scandir("/proc") as entries:
            keys = [(int(entry.name), entry.inode()) for entry in entries if entry.name.isdecimal()]
        for key in keys:
            pid = key[0]
            start_time = self._started.get(key)
            if start_time is None or start_time >= since or pid == own:
                stat = read_stat(pid)
                if stat is None:
                    torn = True
                    continue
                start_time = stat.start_time
                if start_time >= since or pid == own:
                    found[pid] = stat
            if key[1] != _NO_INODE:
                started[key] = start_time
        self._started = started
        return Table(found, torn)


class Marked(Enum):
    """Whether a process belongs to a run by what its environment says."""

    YES = "yes"
    NO = "no"
    UNSETTLED = "unsettled"
    """It is between two programs (in execve) and has no environment for a moment. Look again."""


def read_mark(pid: int, run_id: str) -> Marked:
    """Whether the environment that `pid` was started with says that it belongs to the run.

    No when it may not be read: another user's process, one that has ended, a kernel thread. Raises OSError
    for other reasons.
    """
    try:
        environment = _environment(pid)
        if not environment:
            if _is_between_programs(_read(f"/proc/{pid}/stat")):
                return Marked.UNSETTLED
            environment = _environment(pid)  # it may have been between them until just before
    except _GONE:
        return Marked.NO
    wanted = f"\0{MARK}={run_id}\0".encode()
    return Marked.YES if wanted in b"\0" + environment + b"\0" else Marked.NO


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


def _environment(pid: int) -> bytes:
    try:
        return _read(f"/proc/{pid}/environ")
    except ProcessLookupError:
        # The first thread has ended and shows nothing any more; a thread that lives on shows it still.
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - see Scanner
            with suppress(ProcessLookupError):
                return _read(f"/proc/{pid}/task/{thread}/environ")
        raise


def _fields(content: bytes) -> list[bytes]:
    # The name stands in parentheses and may itself hold spaces, parentheses and newlines. What follows is
    # the third field of proc_pid_stat(5) and on.
    return content[content.rfind(b")") + 2 :].split()


def _is_between_programs(content: bytes) -> bool:
    # execve gives a process its new memory (vsize, field 23) first and the place of the environment in it
    # (env_end, field 51) last. A kernel thread has neither, an empty environment has both.
    fields = _fields(content)
    return len(fields) > 48 and fields[0] not in _ENDED and fields[20] != b"0" and fields[48] == b"0"


def _parse_stat(pid: int, content: bytes) -> Stat | None:
    fields = _fields(content)
    if len(fields) < 20:
        return None
    return Stat(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start_time=int(fields[19]),
        threads=int(fields[17]),
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
