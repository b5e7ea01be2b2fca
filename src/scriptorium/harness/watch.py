"""One run from its start to its end: feeds, reads, watches the clocks, and leaves no process behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio
from attrs import define, field, frozen

from scriptorium.harness.child import Child
from scriptorium.harness.output import LineSplitter, Masker, RunLog, Tail
from scriptorium.harness.spec import LINE_LIMIT_BYTES, TAIL_BYTES, Activity, OutcomeKind, ProcessSpec

KILL_SECONDS: Final = 5.0
"""After SIGKILL a process is gone in milliseconds, unless the kernel holds it; then nothing helps."""

GROUP_SECONDS: Final = 1.0
"""How long what the first process leaves of its group may take to end by itself, after a stop."""

DRAIN_SECONDS: Final = 2.0
"""How long what is still in the pipes may take once every process of the run is dead."""

OBSERVE_SECONDS: Final = 30.0
"""How often a run's processes are noted and its orphans' zombies reaped while it lasts."""

_READ_BYTES: Final = 128 * 1024

OnLine = Callable[[bytes], Activity | None]


@frozen
class Ended:
    """How it ended. `cause` is None when it ended by itself; `returncode` None when it did not end."""

    cause: OutcomeKind | None
    returncode: int | None
    killed: int
    all_gone: bool


@define(eq=False)
class Output:
    """Where a run's output goes, and what is kept of it."""

    log: RunLog
    stderr_log: RunLog
    tail: Tail = field(factory=lambda: Tail(TAIL_BYTES))
    stderr_tail: Tail = field(factory=lambda: Tail(TAIL_BYTES))
    cut_short: bool = False

    @classmethod
    def create(cls, spec: ProcessSpec) -> Output:
        """Make the log. Raises OSError, FileExistsError among them."""
        log = RunLog(spec.log, spec.log_limit_bytes)
        log.create()
        return cls(log, RunLog(spec.stderr_log, spec.log_limit_bytes))

    def close(self) -> None:
        """Close the files."""
        self.log.close()
        self.stderr_log.close()

    @property
    def truncated(self) -> bool:
        """Whether the logs lack something."""
        return self.cut_short or self.log.truncated or self.stderr_log.truncated

    @property
    def error(self) -> str | None:
        """What the disk refused."""
        return self.log.error or self.stderr_log.error


@define(eq=False)
class Watch:
    """Runs one child. Used once."""

    spec: ProcessSpec
    child: Child
    output: Output
    on_line: OnLine | None = None
    stop: trio.Event | None = None
    _killed_from_outside: bool = False
    """Whether scriptorium killed it, without a cause of its own."""

    all_gone: bool = False
    """Whether it has been seen that no process of the run is left."""

    _stopped: trio.CancelScope = field(factory=trio.CancelScope)
    _quiet: trio.CancelScope = field(factory=trio.CancelScope)
    _broken: trio.CancelScope = field(factory=trio.CancelScope)
    _returncode: int | None = None
    _killed: int = 0
    _error: Exception | None = None
    _open_calls: int = 0
    _readers: int = 0
    _read_all: trio.Event = field(factory=trio.Event)

    async def run(self, on_start: Callable[[], None]) -> Ended:
        """Run the child to its end, after a call of `on_start`. Raises what that or `on_line` raised.

        On return, and when cancelled or raising, every process of the run is dead and all pipes are closed;
        `all_gone` tells of the one exception, a process that the kernel does not let die.
        """
        try:
            on_start()
            if self._killed_from_outside:
                self._stopped.cancel()
            async with trio.open_nursery() as nursery:
                self._start(nursery)
                cause = await self._until_it_ends()
                await self._kill_what_is_left()
                with trio.move_on_after(DRAIN_SECONDS) as draining:
                    await self._read_all.wait()
                self.output.cut_short = draining.cancelled_caught
                nursery.cancel_scope.cancel()
        finally:
            # After an orderly end only the closing is left to do. After a cancellation or an error this is
            # what keeps the promise, and so it is shielded; it is bounded by KILL_SECONDS.
            with trio.CancelScope(shield=True):
                if not self.all_gone:
                    await self._kill_what_is_left()
                await self.child.close()
        if self._error is not None:
            raise self._error
        if cause is None and self._killed_from_outside:
            cause = OutcomeKind.STOPPED
        return Ended(cause, self._returncode, self._killed, self.all_gone)

    async def kill(self) -> int:
        """Kill the whole run from another task; returns how many processes that hit."""
        self._killed_from_outside = True
        return await self.child.end()

    def kill_now(self, bound_seconds: float) -> int:
        """Like `kill`, without waiting for anything but the kernel, for at most this long."""
        self._killed_from_outside = True
        return self.child.end_now(bound_seconds)

    def _start(self, nursery: trio.Nursery) -> None:
        self._calm()
        if self.child.stdin is not None:
            nursery.start_soon(self._feed, self.child.stdin)
        if self.stop is not None:
            nursery.start_soon(self._heed_stop, self.stop)
        nursery.start_soon(self._observe)
        streams = [stream for stream in (self.child.stdout, self.child.stderr) if stream is not None]
        self._readers = len(streams)
        nursery.start_soon(self._read_stdout)
        if self.child.stderr is not None:
            nursery.start_soon(self._read_stderr, self.child.stderr)

    async def _feed(self, stdin: trio.abc.SendStream) -> None:
        # A child need not read its prompt, or not all of it.
        with suppress(trio.BrokenResourceError):
            await stdin.send_all(self.spec.stdin)
        await stdin.aclose()

    async def _heed_stop(self, stop: trio.Event) -> None:
        await stop.wait()
        self._stopped.cancel()

    async def _observe(self) -> None:
        while True:
            await trio.sleep(OBSERVE_SECONDS)
            self.child.observe()

    async def _read_stdout(self) -> None:
        lines = LineSplitter(LINE_LIMIT_BYTES)

        def take(text: bytes) -> None:
            self.output.log.feed(text)
            self.output.tail.feed(text)
            if self.on_line is not None:
                ended = lines.feed(text)
                self._take_lines(ended)
                if not ended:  # part of a long line: that is output too
                    self._calm()

        await self._read(self.child.stdout, take, feeds_clock=self.on_line is None)
        if self.on_line is not None:
            self._take_lines(lines.flush())
        self._reader_done()

    async def _read_stderr(self, stderr: trio.abc.ReceiveStream) -> None:
        def take(text: bytes) -> None:
            self.output.stderr_log.feed(text)
            self.output.stderr_tail.feed(text)
            self.output.tail.feed(text)

        await self._read(stderr, take, feeds_clock=self.spec.stderr_is_activity)
        self._reader_done()

    async def _read(
        self, stream: trio.abc.ReceiveStream, take: Callable[[bytes], None], *, feeds_clock: bool
    ) -> None:
        masker = Masker.of(self.spec.secrets)
        try:
            while chunk := await stream.receive_some(_READ_BYTES):
                if feeds_clock:
                    self._calm()
                take(masker.feed(bytes(chunk)))
        finally:
            take(masker.flush())

    def _reader_done(self) -> None:
        self._readers -= 1
        if not self._readers:
            self._read_all.set()

    def _take_lines(self, lines: list[bytes]) -> None:
        if self.on_line is None or self._error is not None:
            return
        progress = False
        try:
            for line in lines:
                activity = self.on_line(line)
                if activity is None:
                    progress = True
                else:
                    progress |= activity.progress or activity.open_calls != self._open_calls
                    self._open_calls = activity.open_calls
        except Exception as error:
            self._error = error
            self._broken.cancel()
        if progress:
            self._calm()

    def _calm(self) -> None:
        limit = self.spec.no_output_timeout_seconds
        paused = limit is None or self._open_calls > 0
        self._quiet.deadline = math.inf if paused or limit is None else trio.current_time() + limit

    async def _until_it_ends(self) -> OutcomeKind | None:
        """Wait for the end; or for what must bring it about, which is returned, and then for the grace."""
        with (
            trio.move_on_after(self.spec.hard_timeout_seconds) as hard,
            self._stopped,
            self._broken,
            self._quiet,
        ):
            self._returncode = await self.child.wait()
            return None
        if self._broken.cancelled_caught:
            return None
        await self._ask_to_end()
        if self._stopped.cancelled_caught:
            return OutcomeKind.STOPPED
        return OutcomeKind.HARD_TIMEOUT if hard.cancelled_caught else OutcomeKind.NO_OUTPUT

    async def _ask_to_end(self) -> None:
        grace = self.spec.stop_grace_seconds
        self.child.ask()
        with trio.move_on_after(grace):
            self._returncode = await self.child.wait()
        # A shell that ended at once leaves the program that it was waiting for, and one that waits for that
        # program hears of nothing before it ends.
        with trio.move_on_after(min(grace, GROUP_SECONDS)):
            await self.child.terminate()

    async def _kill_what_is_left(self) -> None:
        with trio.move_on_after(KILL_SECONDS):
            self._killed += await self.child.end()
            self._returncode = await self.child.wait()
            self.all_gone = True
