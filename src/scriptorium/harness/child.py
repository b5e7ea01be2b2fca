"""The seam between the process runner and the operating system: what a started process looks like.

`posix.py` has the real ones; tests put a process in memory here and run on virtual time.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from attrs import field, frozen
from trio.abc import ReceiveStream, SendStream

from scriptorium.harness.membership import ProcessId


@frozen
class Launch:
    """What to start. `env` is complete, mark included."""

    run_id: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    with_stdin: bool
    merge_stderr: bool


class Child(Protocol):
    """The first process of a run, and through it all processes of the run."""

    @property
    def identity(self) -> ProcessId:
        """Its pid and start time; nobody else's until `close`."""
        ...

    @property
    def stdin(self) -> SendStream | None:
        """Its standard input, when it was asked for."""
        ...

    @property
    def stdout(self) -> ReceiveStream:
        """Its standard output."""
        ...

    @property
    def stderr(self) -> ReceiveStream | None:
        """Its standard error, when it is not merged."""
        ...

    async def wait(self) -> int:
        """Wait for the end of the first process; its exit code, or minus the signal that ended it.

        May be called again, by one task at a time. Cancelled, nothing has changed.
        """
        ...

    def observe(self) -> None:
        """Take note of the run's processes, and reap those nobody waits for."""
        ...

    def ask(self) -> None:
        """Ask the first process to end, politely: what it started, it may end in its own order."""
        ...

    async def terminate(self) -> None:
        """Ask the whole group of the first process to end, and wait until it has.

        Without a bound of its own. Cancelled, the group has been asked.
        """
        ...

    async def end(self) -> int:
        """Kill all processes of the run and wait until none is left; returns how many were killed.

        Cancelled, those found so far have been sent SIGKILL.
        """
        ...

    def end_now(self, bound_seconds: float) -> int:
        """Like `end`, without waiting for anything but the kernel, for at most this long."""
        ...

    async def close(self) -> None:
        """Close the pipes and give the pid back. The process has ended, or nothing more can be done."""
        ...


class Launcher(Protocol):
    """Starts processes, and ends those that another service left."""

    def launching(self, run_id: str) -> AbstractContextManager[Pending]:
        """A run that is about to start. Leaving the block says that it is over."""
        ...

    async def end_left_over(self, run_id: str, leader: ProcessId | None) -> int:
        """Kill all processes of a run that this process did not start; returns how many.

        `leader` is its first process, when that is known and was started since the machine was.
        """
        ...


class Pending(Protocol):
    """A run from just before its start to its very end."""

    async def start(self, launch: Launch) -> Child:
        """Start the first process. Raises OSError or ValueError when that cannot be done.

        Cancelled, nothing was started.
        """
        ...

    def end_now(self, bound_seconds: float) -> int:
        """Kill what there is of the run now; returns how many were killed."""
        ...
