"""Has the disk blocks of small files that are replaced or removed freed behind the caller, by a thread.

A file is freed with its last name and its last handle. On a disk that is told at once which blocks are free
(the mount option `discard`) that takes 0.2 to 2 ms, and a ref is replaced with every commit. So a handle is
kept, and many are closed at once. A kill closes them all; nothing else depends on when that is.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CLOSED_TOGETHER: Final = 16
"""To wake the thread for each costs more than most disks do. They are small: refs and indexes."""

MOST_HELD: Final = 64
"""With so many waiting the disk cannot keep up, and whoever comes waits for it."""

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""Holds what is there without opening it: a pipe is not waited on, and no right to read is needed."""


class _Freeing:
    """Closes handles in a thread of its own, which begins with the first and waits for more for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[int] = []
        self._closing = 0
        self._batches: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def take(self, handle: int) -> None:
        """Close it some time soon, or now."""
        with self._lock:
            is_full = len(self._waiting) + self._closing >= MOST_HELD
            if not is_full:
                self._waiting.append(handle)
                if len(self._waiting) >= CLOSED_TOGETHER and self._has_thread():
                    self._closing += len(self._waiting)
                    self._batches.put(self._waiting)
                    self._waiting = []
        if is_full:
            os.close(handle)

    def _has_thread(self) -> bool:
        if self._thread is None or not self._thread.is_alive():  # none survives a fork
            self._closing, self._batches = 0, queue.SimpleQueue()
            thread = threading.Thread(target=self._close, args=(self._batches,), name="freeing", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more are to be had
                return False
            self._thread = thread
        return True

    def _close(self, batches: queue.SimpleQueue[list[int]]) -> None:
        while batch := batches.get():  # an empty one, of which there is none, would end it
            for handle in batch:
                os.close(handle)
            with self._lock:
                self._closing -= len(batch)


_freeing = _Freeing()


@contextlib.contextmanager
def freed_behind(*paths: Path | str) -> Iterator[None]:
    """What the block removes, or replaces, at `paths` costs it no more than a name. None there is fine."""
    handles: list[int] = []
    try:
        for path in paths:
            with contextlib.suppress(OSError):
                handles.append(os.open(path, _LOOK))
        yield
    finally:
        for handle in handles:
            _freeing.take(handle)
