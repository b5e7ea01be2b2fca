"""How far a command has come, on a terminal: one line on stderr that goes when it is over."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Self

FIRST_SECONDS: Final = 1.0
"""What is over sooner needs no word."""
AGAIN_SECONDS: Final = 0.1


class Progress:
    """``12000 of 50000 commits``; nothing when stderr is no terminal. As a context it clears its line."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._next = time.monotonic() + FIRST_SECONDS if sys.stderr.isatty() else float("inf")
        self._width = 0

    def at(self, done: int, total: int) -> None:
        """So many of so many are done; may be called often."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + AGAIN_SECONDS
        line = f"{done} of {total} {self._what}"
        self._put(f"\r{line:<{self._width}}")
        self._width = max(self._width, len(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._width:
            self._put(f"\r{'':<{self._width}}\r")

    def _put(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            self._next = float("inf")  # a terminal that is gone: what was asked for is on stdout
