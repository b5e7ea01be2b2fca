"""Sees from an OS thread that the trio loop is blocked, which no task can: trio does not pre-empt."""

import faulthandler
import math
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import trio

EXIT_BLOCKED = 70
"""EX_SOFTWARE of sysexits.h: the supervisor above (systemd) starts the process anew."""

EXIT_INTERPRETER_HELD = 1
"""What `faulthandler` exits with, when C code let no thread of Python run."""

_SLICES = 10
_STDERR = 2
_LEAST_INTERPRETER_LIMIT_SECONDS = 60.0


def dump_stacks_and_exit() -> None:
    """Write the stacks of all threads to standard error and end the process at once with `EXIT_BLOCKED`."""
    os.write(_STDERR, b"the event loop is blocked; the stacks of all threads:\n")
    faulthandler.dump_traceback(file=_STDERR, all_threads=True)
    os._exit(EXIT_BLOCKED)


class LoopWatchdog:
    """``with LoopWatchdog(30.0):`` inside a trio run. Two nets under a loop that does not answer.

    The first is a thread that asks the loop to call back, and calls ``on_blocked``, once, when it does
    not. It waits in slices and counts these, not the time: neither a SIGSTOP nor a suspended machine
    looks like a block, whatever time has passed.

    That thread cannot run while C code holds the interpreter. The second net is therefore a timer in C
    (`faulthandler.dump_traceback_later`), which the thread sets back whenever it runs: past the
    ``interpreter_limit_seconds`` the stacks of all threads go to standard error and the process ends
    with `EXIT_INTERPRETER_HELD`. The timer is one for the whole process. A suspended machine does not
    wind it on; but a process that was *stopped* (SIGSTOP, a frozen container) for longer than that limit
    ends when it is continued, as the timer of C cannot be told of it. Hence the limit is much longer.

    Args:
        limit_seconds: how long the loop may fail to answer.
        on_blocked: what to do then.
        every_seconds: the pause between two looks (default: the limit). A block is noticed after at
            most the limit and one pause.
        interpreter_limit_seconds: how long C code may hold the interpreter. Default: four times the
            limit, and at least a minute.
    """

    def __init__(
        self,
        limit_seconds: float,
        on_blocked: Callable[[], None] = dump_stacks_and_exit,
        *,
        every_seconds: float | None = None,
        interpreter_limit_seconds: float | None = None,
    ) -> None:
        if limit_seconds <= 0:
            raise ValueError(f"the limit must be more than 0 s, not {limit_seconds:g}")
        if interpreter_limit_seconds is None:
            interpreter_limit_seconds = max(4 * limit_seconds, _LEAST_INTERPRETER_LIMIT_SECONDS)
        if interpreter_limit_seconds <= 0:
            raise ValueError(
                f"the interpreter's limit must be more than 0 s, not {interpreter_limit_seconds:g}"
            )
        # Slices of a quarter at most, so that the timer is set back well before it goes off.
        self._slice_seconds = min(limit_seconds / _SLICES, interpreter_limit_seconds / 4)
        self._slices_of_a_block = max(_SLICES, round(limit_seconds / self._slice_seconds))
        self._every_seconds = limit_seconds if every_seconds is None else every_seconds
        self._interpreter_limit_seconds = interpreter_limit_seconds
        self._on_blocked = on_blocked
        self._wound_at = -math.inf
        self._answered = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        token = trio.lowlevel.current_trio_token()
        self._wind_up()  # here, as the thread may not get to run before the interpreter is held
        self._thread = threading.Thread(target=self._watch, args=(token,), name="loop watchdog", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._answered.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, token: trio.lowlevel.TrioToken) -> None:
        try:
            while self._look(token):
                self._pause()
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _look(self, token: trio.lowlevel.TrioToken) -> bool:
        """Ask the loop once. False: the watch is over."""
        # Cleared before the look at _over: __exit__ sets both, so neither order can miss the end.
        self._answered.clear()
        if self._over.is_set():
            return False
        try:
            token.run_sync_soon(self._answered.set)
        except trio.RunFinishedError:
            return False
        if not self._answers():
            self._on_blocked()
            return False
        return True

    def _answers(self) -> bool:
        return any(self._wait(self._answered, self._slice_seconds) for _ in range(self._slices_of_a_block))

    def _pause(self) -> None:
        left_seconds = self._every_seconds
        while left_seconds > 0 and not self._wait(self._over, min(left_seconds, self._slice_seconds)):
            left_seconds -= self._slice_seconds

    def _wait(self, event: threading.Event, seconds: float) -> bool:
        if time.monotonic() >= self._wound_at + self._interpreter_limit_seconds / 4:
            self._wind_up()
        return event.wait(seconds) or self._over.is_set()

    def _wind_up(self) -> None:
        # Not more often than needed: for some milliseconds in between, no timer runs.
        faulthandler.dump_traceback_later(self._interpreter_limit_seconds, exit=True, file=_STDERR)
        self._wound_at = time.monotonic()
