"""Sees from an OS thread that the trio loop is blocked, which no task can: trio does not pre-empt."""

import faulthandler
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import trio

EXIT_BLOCKED = 70
"""EX_SOFTWARE of sysexits.h: the supervisor above (systemd) starts the process anew."""

_SLICES = 10
_STDERR = 2


def dump_stacks_and_exit() -> None:
    """Write the stacks of all threads to standard error and end the process at once with `EXIT_BLOCKED`."""
    os.write(_STDERR, b"the event loop is blocked; the stacks of all threads:\n")
    faulthandler.dump_traceback(file=_STDERR, all_threads=True)
    os._exit(EXIT_BLOCKED)


class LoopWatchdog:
    """``with LoopWatchdog(30.0):`` inside a trio run; ``on_blocked`` is called, in the thread, once.

    Args:
        limit_seconds: how long the loop may fail to answer.
        on_blocked: what to do then.
        every_seconds: the pause between two looks (default: the limit). A block is noticed after at
            most the limit and one pause.

    The thread asks the loop to call back and waits in slices. It counts slices, not time, because
    after a SIGSTOP and SIGCONT all the time that passed would look like a block.
    """

    def __init__(
        self,
        limit_seconds: float,
        on_blocked: Callable[[], None] = dump_stacks_and_exit,
        *,
        every_seconds: float | None = None,
    ) -> None:
        if limit_seconds <= 0:
            raise ValueError(f"the limit must be more than 0 s, not {limit_seconds:g}")
        self._slice_seconds = limit_seconds / _SLICES
        self._every_seconds = limit_seconds if every_seconds is None else every_seconds
        self._on_blocked = on_blocked
        self._answered = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        token = trio.lowlevel.current_trio_token()
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
        while True:
            # Cleared before the look at _over: __exit__ sets both, so neither order can miss the end.
            self._answered.clear()
            if self._over.is_set():
                return
            try:
                token.run_sync_soon(self._answered.set)
            except trio.RunFinishedError:
                return
            if not self._answers():
                self._on_blocked()
                return
            self._over.wait(self._every_seconds)

    def _answers(self) -> bool:
        return any(self._answered.wait(self._slice_seconds) or self._over.is_set() for _ in range(_SLICES))
