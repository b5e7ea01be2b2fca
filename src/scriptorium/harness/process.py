"""The one place that starts, feeds, watches, logs and kills child processes: agents and checks.

Public face of the process side: `ProcessRunner`, the `Runner` protocol, and the values they speak in.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import trio
from attrs import define, field, frozen

from scriptorium.harness.child import Child, Launch, Launcher, Pending
from scriptorium.harness.leftover import believed_leader
from scriptorium.harness.posix import PosixLauncher
from scriptorium.harness.proc import MARK, boot_id
from scriptorium.harness.records import (
    RunFacts,
    RunRecord,
    add_process,
    read_all_records,
    remove_record,
    write_record,
)
from scriptorium.harness.runtree import Registry
from scriptorium.harness.spec import Activity, OutcomeKind, ProcessOutcome, ProcessSpec
from scriptorium.harness.watch import KILL_SECONDS, Ended, OnLine, Output, Watch

__all__ = [
    "Activity",
    "DeadRun",
    "OnLine",
    "OutcomeKind",
    "ProcessOutcome",
    "ProcessRunner",
    "ProcessSpec",
    "RunFacts",
    "Runner",
]

KILL_NOW_SECONDS = 1.0
"""How long `kill_all_now` waits for the kernel, in all."""


@frozen
class DeadRun:
    """A run that a dead service left: its record, how many of its processes were killed, whether all are."""

    record: RunRecord
    killed: int
    all_gone: bool


class Runner(Protocol):
    """What runs processes; see `ProcessRunner` for what each promises."""

    async def run(
        self,
        spec: ProcessSpec,
        *,
        on_line: OnLine | None = None,
        stop: trio.Event | None = None,
        started: Callable[[int], None] | None = None,
    ) -> ProcessOutcome:
        """Run one process to its end."""
        ...

    async def kill_run(self, run_id: str) -> int:
        """Kill all processes of one run."""
        ...

    async def sweep_dead_service(self) -> tuple[DeadRun, ...]:
        """Kill what an earlier service left."""
        ...

    def kill_all_now(self) -> None:
        """Kill all processes of all runs, without waiting."""
        ...


@define(eq=False)
class _Live:
    """A run between just before its start and its very end."""

    pending: Pending
    record: RunRecord | None = None
    watch: Watch | None = None
    killed_early: bool = False


def _utc_now() -> datetime:
    return datetime.now(UTC)


@define(eq=False)
class ProcessRunner:
    """Runs processes, with a record of each in `runs_dir` while it runs.

    `durable`: a record is synced to the disk before its process starts, if its spec says so.
    `adopts_orphans`: nothing else in this program starts children in sessions of their own, so that a child
    of ours that hides whose it is can only be a run's orphan, and is killed with it; set it in the service,
    not when embedded elsewhere.
    `launcher` and `now` are the seams to the operating system and the wall clock.
    """

    runs_dir: Path
    durable: bool = field(default=True, kw_only=True)
    adopts_orphans: bool = field(default=False, kw_only=True)
    launcher: Launcher = field(kw_only=True)
    now: Callable[[], datetime] = field(default=_utc_now, kw_only=True)
    _live: dict[str, _Live] = field(factory=dict, init=False)

    @launcher.default
    def _real_launcher(self) -> Launcher:
        return PosixLauncher(Registry(adopts_orphans=self.adopts_orphans))

    async def run(
        self,
        spec: ProcessSpec,
        *,
        on_line: OnLine | None = None,
        stop: trio.Event | None = None,
        started: Callable[[int], None] | None = None,
    ) -> ProcessOutcome:
        """Run one process to its end, and make sure that none of its descendants outlives it.

        `on_line` gets each line of standard output (at most 1 MiB of it, without the newline) and may say
        what it means to the no-output clock; what it raises kills the run and comes out of here. `stop` asks
        the process to end: SIGTERM, `spec.stop_grace_seconds`, SIGTERM to its group and a second at most,
        SIGKILL to all that is left. `started` is told the pid. Whatever
        the process does is told by the outcome; raises ValueError for a run id that is running already.

        Cancelled, every process of the run has been killed, the logs are closed and the record is gone
        before Cancelled goes on: at most `KILL_SECONDS` later, and then the record stays, so that the next
        start tries again.
        """
        if spec.run_id in self._live:
            raise ValueError(f"run {spec.run_id} is running already")
        if stop is not None and stop.is_set():
            return ProcessOutcome(OutcomeKind.STOPPED)
        with ExitStack() as stack:
            live = _Live(stack.enter_context(self.launcher.launching(spec.run_id)))
            self._live[spec.run_id] = live
            stack.callback(self._live.pop, spec.run_id)
            return await self._run(spec, live, on_line, stop, started)

    async def _run(
        self,
        spec: ProcessSpec,
        live: _Live,
        on_line: OnLine | None,
        stop: trio.Event | None,
        started: Callable[[int], None] | None,
    ) -> ProcessOutcome:
        try:
            output = Output.create(spec)
        except (OSError, ValueError) as error:
            return ProcessOutcome(OutcomeKind.COULD_NOT_START, error=_why(error, spec))
        with ExitStack() as stack:
            stack.callback(output.close)
            stack.callback(self._forget, spec.run_id, live)
            try:
                child = await self._start(spec, live)
            except (OSError, ValueError) as error:
                return ProcessOutcome(OutcomeKind.COULD_NOT_START, error=_why(error, spec))
            began = trio.current_time()
            live.watch = Watch(spec, child, output, on_line, stop, killed_from_outside=live.killed_early)
            ended = await live.watch.run(partial(self._note_start, live, child, started))
        return _outcome(ended, output, trio.current_time() - began)

    async def kill_run(self, run_id: str) -> int:
        """Kill all processes of one run, live or left over; returns how many that hit.

        A live one ends as stopped. Cancelled, those found so far have been sent SIGKILL.
        """
        live = self._live.get(run_id)
        if live is None:
            return await self.launcher.end_left_over(run_id, None)
        if live.watch is None:
            live.killed_early = True
            return 0
        return await live.watch.kill()

    async def sweep_dead_service(self) -> tuple[DeadRun, ...]:
        """Kill all processes of the recorded runs, with their descendants, and remove the records.

        For the start of a service, before it runs anything. A record whose processes could not all be killed
        within `KILL_SECONDS` stays. Cancelled, the records of the runs that were not done are still there.
        """
        swept = []
        for record in await trio.to_thread.run_sync(read_all_records, self.runs_dir):
            if record.run_id in self._live:
                continue
            dead = await self._end_left_over(record)
            if dead.all_gone:
                remove_record(self.runs_dir, record.run_id)
            swept.append(dead)
        return tuple(swept)

    async def _end_left_over(self, record: RunRecord) -> DeadRun:
        if record.boot != boot_id():
            return DeadRun(record, killed=0, all_gone=True)
        leader = believed_leader(self.runs_dir, record)
        with trio.move_on_after(KILL_SECONDS):
            killed = await self.launcher.end_left_over(record.run_id, leader)
            return DeadRun(record, killed, all_gone=True)
        return DeadRun(record, killed=0, all_gone=False)

    def kill_all_now(self) -> None:
        """Kill all processes of all live runs at once, for a second Ctrl-C; the runs end as stopped.

        Takes no lock and awaits nothing; returns within `KILL_NOW_SECONDS`.
        """
        share = KILL_NOW_SECONDS / max(1, len(self._live))
        for live in tuple(self._live.values()):
            if live.watch is not None:
                live.watch.kill_now(share)
            else:
                live.killed_early = True
                live.pending.end_now(share)

    async def _start(self, spec: ProcessSpec, live: _Live) -> Child:
        started = self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        live.record = RunRecord(spec.run_id, spec.record, started, spec.argv)
        # Before the process exists: a service that is killed in between leaves a record of no process, which
        # the next start removes; the other way round it would leave a process that nobody looks for.
        durable = self.durable and spec.syncs_record
        write = partial(write_record, self.runs_dir, live.record, durable=durable)
        if self.durable:
            await trio.to_thread.run_sync(write)
        else:
            write()
        return await live.pending.start(
            Launch(
                run_id=spec.run_id,
                argv=spec.argv,
                cwd=spec.cwd,
                env={**spec.env, MARK: spec.run_id},
                with_stdin=bool(spec.stdin),
                merge_stderr=spec.merge_stderr,
            )
        )

    def _note_start(self, live: _Live, child: Child, started: Callable[[int], None] | None) -> None:
        identity = child.identity
        if live.record is not None:
            # Not synced, and no harm if it fails: the mark alone finds the processes, and after a power cut
            # there are none.
            with suppress(OSError):
                add_process(self.runs_dir, live.record.with_process(identity.pid, identity.start_time))
        if started is not None:
            started(identity.pid)

    def _forget(self, run_id: str, live: _Live) -> None:
        if live.watch is None or live.watch.all_gone:
            with suppress(OSError):
                remove_record(self.runs_dir, run_id)


def _outcome(ended: Ended, output: Output, duration_seconds: float) -> ProcessOutcome:
    code = ended.returncode
    kind = ended.cause
    if kind is None:
        kind = OutcomeKind.EXITED if code == 0 else OutcomeKind.FAILED
        if code is None or code < 0:
            kind = OutcomeKind.SIGNALED
    return ProcessOutcome(
        kind=kind,
        exit_code=code if code is not None and code >= 0 else None,
        signal=-code if code is not None and code < 0 else None,
        duration_seconds=duration_seconds,
        tail=output.tail.content,
        stderr_tail=output.stderr_tail.content,
        truncated=output.truncated,
        log_error=output.error,
        killed=ended.killed,
        all_gone=ended.all_gone,
    )


def _why(error: OSError | ValueError, spec: ProcessSpec) -> str:
    """Why it could not start: the thing, the place, and what may be done."""
    if not isinstance(error, OSError):
        return f"{spec.argv[0]}: {error}"
    filename = str(error.filename or "")
    reason = error.strerror or str(error)
    if isinstance(error, FileExistsError):
        return f"{filename}: the log is there already and is not written over"
    if filename == str(spec.cwd):
        return f"{spec.cwd}: {reason}: the working directory of {spec.argv[0]}"
    if filename == spec.argv[0] and isinstance(error, FileNotFoundError) and "/" not in filename:
        path = spec.env.get("PATH", "which is not set")
        return f"{filename}: not found on PATH ({path}); install it, or set its path in scriptorium.json"
    return f"{filename or spec.argv[0]}: {reason}"
