"""Starts real processes: own session, closed descriptors, umask 077, pipes, a pidfd for each."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

import trio
from attrs import define, field, frozen

from scriptorium.harness.cgroup import RunGroup
from scriptorium.harness.child import Launch
from scriptorium.harness.membership import ProcessId
from scriptorium.harness.proc import read_stat
from scriptorium.harness.runtree import Registry, RunTree

_PIPE_BYTES: Final = 256 * 1024
"""Four times the default: fewer wake-ups for a child that prints much."""

_UMASK: Final = 0o077


@define(eq=False)
class PosixLauncher:
    """Starts processes on this machine."""

    registry: Registry = field(factory=Registry)

    @contextmanager
    def launching(self, run_id: str) -> Iterator[PosixPending]:
        """See `Launcher`."""
        tree = RunTree(run_id, self.registry)
        with self.registry.holding(tree):
            yield PosixPending(tree)

    async def end_left_over(self, run_id: str, leader: ProcessId | None) -> int:
        """See `Launcher`."""
        not_before = 0 if leader is None else leader.start_time
        known = _still_the_same(leader)
        tree = RunTree(run_id, self.registry, leader=known, not_before=not_before, started_here=False)
        killed = await tree.end()
        tree.remove_group()
        return killed


@define(eq=False)
class PosixPending:
    """A run that holds its place in the registry."""

    _tree: RunTree

    async def start(self, launch: Launch) -> PosixChild:
        """See `Pending`."""
        # In a thread, because fork and exec may take long (a cold disk). Not abandoned when cancelled, so
        # that no process is started that nobody knows of.
        started = await trio.to_thread.run_sync(partial(_start, launch, self._tree.group))
        self._tree.leader = started.identity
        return PosixChild(started, self._tree)

    def end_now(self, bound_seconds: float) -> int:
        """See `Pending`."""
        return self._tree.end_now(bound_seconds)


@frozen(eq=False)
class _Started:
    process: subprocess.Popen[bytes]
    pidfd: int
    identity: ProcessId
    stdin: int | None
    stdout: int
    stderr: int | None


class PosixChild:
    """A process that was started here. See `Child`."""

    def __init__(self, started: _Started, tree: RunTree) -> None:
        self._process = started.process
        self._pidfd = started.pidfd
        self._tree = tree
        self._returncode: int | None = None
        self.identity = started.identity
        self.stdin = None if started.stdin is None else trio.lowlevel.FdStream(started.stdin)
        self.stdout = trio.lowlevel.FdStream(started.stdout)
        self.stderr = None if started.stderr is None else trio.lowlevel.FdStream(started.stderr)

    async def wait(self) -> int:
        """See `Child`."""
        while self._returncode is None:
            await trio.lowlevel.wait_readable(self._pidfd)
            self._returncode = self._peek()
        self._tree.note_end_of_leader()
        return self._returncode

    def _peek(self) -> int | None:
        # Not reaped yet: as long as it is a zombie its pid, and so the number of its session, is nobody
        # else's, and the rest of the run can be found by it.
        ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is None:  # woken for nothing
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def observe(self) -> None:
        """See `Child`."""
        self._tree.observe()

    def ask(self) -> None:
        """See `Child`."""
        self._tree.ask()

    async def terminate(self) -> None:
        """See `Child`."""
        await self._tree.terminate()

    async def end(self) -> int:
        """See `Child`."""
        return await self._tree.end()

    def end_now(self, bound_seconds: float) -> int:
        """See `Child`."""
        return self._tree.end_now(bound_seconds)

    async def close(self) -> None:
        """See `Child`."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self._tree.leader = None
        self._process.poll()
        trio.lowlevel.notify_closing(self._pidfd)
        os.close(self._pidfd)


def _start(launch: Launch, group: RunGroup | None) -> _Started:
    with _Pipes() as pipes:
        stdin, our_stdin = pipes.make() if launch.with_stdin else (subprocess.DEVNULL, None)
        our_stdout, stdout = pipes.make()
        our_stderr, stderr = (None, subprocess.STDOUT) if launch.merge_stderr else pipes.make()
        process = subprocess.Popen(
            launch.argv,
            cwd=launch.cwd,
            env=launch.env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            umask=_UMASK,
        )
        try:
            identity = _identity(process.pid)
            pidfd = os.pidfd_open(process.pid)
        except OSError:  # no descriptor left, say: this one cannot be watched, so it must not live
            process.kill()
            process.wait()
            raise
        if group is not None:
            group.enclose(process.pid)
        pipes.keep(our_stdin, our_stdout, our_stderr)
    return _Started(process, pidfd, identity, our_stdin, our_stdout, our_stderr)


def _identity(pid: int) -> ProcessId:
    stat = read_stat(pid)  # it may have ended, but it is there until it is reaped
    if stat is None:
        raise OSError(f"/proc/{pid}/stat cannot be read: is /proc mounted?")
    return ProcessId.of(stat)


class _Pipes:
    """Pipes of which one end is the child's; leaving the block closes all ends but those that are kept."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def make(self) -> tuple[int, int]:
        """A pipe: the end to read from, the end to write to."""
        ends = os.pipe()
        self._open.update(ends)
        with suppress(OSError):  # beyond the user's share of pipe memory the default size will do
            fcntl.fcntl(ends[0], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return ends

    def keep(self, *ends: int | None) -> None:
        """Leave these open."""
        self._open.difference_update(end for end in ends if end is not None)

    def __enter__(self) -> _Pipes:
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._open:
            os.close(end)


def _still_the_same(leader: ProcessId | None) -> ProcessId | None:
    """The leader if it is still there; the pid of one that is gone may be another's, and proves nothing."""
    if leader is None:
        return None
    stat = read_stat(leader.pid)
    return leader if stat is not None and stat.start_time == leader.start_time else None
