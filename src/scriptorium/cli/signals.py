"""SIGINT, SIGTERM and SIGHUP for ``run``, from the first moment to the last.

Until the loop is up nothing needs an orderly end, and the first signal ends the process at once; from then
on the loop is told. At the end, while the interpreter shuts down, signals change nothing any more.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import final

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""SIGHUP: the terminal was closed. Agents have sessions of their own and would work on unattended."""


@final
class SignalGate:
    """Counts the signals that ask ``run`` to stop and passes the count on."""

    def __init__(self) -> None:
        self._callback: Callable[[int], None] | None = None
        self._count = 0

    def install(self) -> None:
        """Take over the stop signals, but for SIGHUP under ``nohup``. In the main thread only."""
        for number in STOP_SIGNALS:
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._received)

    def attach(self, callback: Callable[[int], None]) -> None:
        """From now on call ``callback(count)`` for each signal: 1 for the first one, 2 for the second.

        It runs inside the signal handler, between any two bytecodes of the main thread and possibly within
        an earlier call of itself: it must only do what is safe there, and must not raise.
        """
        self._callback = callback

    def close(self) -> None:
        """Ignore the signals from now on: the exit code is decided, and the process is about to end."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _received(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._callback is None:
            os._exit(0)
        # What the loop raises when it is over (trio.RunFinishedError): then nothing is left to stop.
        with suppress(RuntimeError):
            self._callback(self._count)


gate = SignalGate()
"""The process's one gate: signals belong to a process, not to an object."""
