"""A life of `scriptorium run` whose news is listened to: what a test does next, it does at a moment of it."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

from .service import COMMAND, Service, clean_environment
from .waiting import PATIENCE_SECONDS


class Life(Service):
    """Its standard error is a pipe that this process reads, whenever it listens.

    `scratch` is where the service, its agents and its checks put temporary files.
    """

    def __init__(self, root: Path, aside: Path, scratch: Path, *words: str) -> None:
        number = len(list(aside.glob("stdout-*"))) + 1
        self._out = aside / f"stdout-{number}"
        self._said = b""
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [COMMAND, "run", *words],
                cwd=root, env=clean_environment() | {"TMPDIR": str(scratch)},
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
            )  # fmt: skip
        assert self.process.stderr is not None
        self._pipe = self.process.stderr

    @property
    def log(self) -> str:
        """What has been heard so far."""
        return self._said.decode()

    def hear(self, seconds: float, pattern: str | None = None, *, times: int = 1) -> bool:
        """Listen until it has said this so many times, counted from its start: True, or else for this long.

        It fails when the service ends meanwhile, which none of these lives does by itself.
        """
        last = time.monotonic() + seconds
        while pattern is None or len(re.findall(pattern, self.log, re.MULTILINE)) < times:
            ready, _, _ = select.select([self._pipe], [], [], max(0.0, last - time.monotonic()))
            if not ready:
                return False
            assert self._read(), f"ended by itself, with {self.process.wait(PATIENCE_SECONDS)}:\n{self.log}"
        return True

    def goes_on(self, seconds: float) -> bool:
        """Listen for this long; False when it ends meanwhile."""
        last = time.monotonic() + seconds
        while select.select([self._pipe], [], [], max(0.0, last - time.monotonic()))[0]:
            if not self._read():
                return False
        return True

    def wait_for(self, pattern: str, *, times: int = 1) -> re.Match[str]:
        """Wait until it has said this so many times; fails at once when it ends without."""
        assert self.hear(PATIENCE_SECONDS, pattern, times=times), f"{pattern!r} in:\n{self.log}"
        return list(re.finditer(pattern, self.log, re.MULTILINE))[times - 1]

    def kill(self) -> None:
        """As a power cut would end it, but for the kernel. What it had said by then has been heard."""
        self.send(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)
        self._close()

    def end(self) -> int:
        """Wait until it has ended; the exit code."""
        last = time.monotonic() + PATIENCE_SECONDS
        while select.select([self._pipe], [], [], max(0.0, last - time.monotonic()))[0]:
            if not self._read():
                code = self.process.wait(PATIENCE_SECONDS)
                self._close()
                return code
        raise AssertionError(f"has not ended:\n{self.log}\n{self.output}")

    def _read(self) -> bool:
        chunk = os.read(self._pipe.fileno(), 65536)
        self._said += chunk
        return bool(chunk)

    def _close(self) -> None:
        while select.select([self._pipe], [], [], 0)[0] and self._read():
            pass
        self._pipe.close()
