"""`scriptorium run` as a process of its own, seen through what it prints and what /proc says of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .waiting import PATIENCE_SECONDS, until

COMMAND = str(Path(sys.executable).with_name("scriptorium"))


def clean_environment() -> dict[str, str]:
    """This process's environment, without git's configuration and anything that a scriptorium said."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SCRIPTORIUM_", "GIT_"))
    }
    return kept | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


class Service:
    """One life of `scriptorium run`."""

    def __init__(self, root: Path, aside: Path, *words: str) -> None:
        life = len(list(aside.glob("stderr-*"))) + 1
        self._out, self._err = aside / f"stdout-{life}", aside / f"stderr-{life}"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [COMMAND, "run", *words],
                cwd=root, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Of the service itself."""
        return self.process.pid

    @property
    def log(self) -> str:
        """What it has said on standard error so far."""
        return self._err.read_text()

    @property
    def output(self) -> str:
        """What it has printed on standard output so far."""
        return self._out.read_text()

    @property
    def leftovers(self) -> list[str]:
        """The lines of standard output."""
        return self.output.splitlines()

    def wait_for(self, pattern: str, *, times: int = 1) -> re.Match[str]:
        """Wait until it has said this so many times; fails at once when it ends without."""
        sought = re.compile(pattern, re.MULTILINE)

        def said() -> re.Match[str] | None:
            over = self.process.poll() is not None
            found = list(sought.finditer(self.log))
            if len(found) >= times:
                return found[times - 1]
            assert not over, f"ended with {self.process.returncode} before it said {pattern!r}:\n{self.log}"
            return None

        match = until(said, lambda: f"{pattern!r} in:\n{self.log}")
        assert match is not None
        return match

    def listening(self) -> str:
        """Wait until it listens; its address."""
        return self.wait_for(r"listening on (http://\S+)")[1]

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """As a power cut would end it, but for the kernel."""
        self.send(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def end(self) -> int:
        """Wait until it has ended; the exit code."""
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"has not ended:\n{self.log}\n{self.output}") from None

    def stop(self) -> None:
        """Ask it to end, and see that it ended well."""
        self.send(signal.SIGTERM)
        assert self.end() == 0, self.log


def status_of(pid: int) -> Mapping[str, str]:
    """The lines of /proc/PID/status; empty for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def is_alive(pid: int) -> bool:
    """Whether the process runs; a dead one that nobody has waited for does not."""
    return status_of(pid).get("State", "Z")[0] not in {"Z", "X"}


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler of its own for this signal."""
    return bool(int(status_of(pid).get("SigCgt", "0"), 16) >> (number - 1) & 1)


def marked(root: Path) -> dict[int, str]:
    """The living processes of any run on this repository, by the marks in their environment."""
    found = {}
    place = f"SCRIPTORIUM_REPO={root}"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            if place in words and any(word.startswith("SCRIPTORIUM_RUN=") for word in words):
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return {pid: command for pid, command in found.items() if is_alive(pid)}
