"""Other actor libraries, each in a process of its own, because their loops and threads disturb the others.

A worker measures when it is told to and sleeps on its standard input otherwise, so that subject and peers
alternate within one run. Which set-up of each library is measured: its module here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

PEERS = {"pykka": 100_000, "thespian": 50_000, "xoscar": 50_000, "triotp": 25_000}
"""The libraries, with the messages for one measurement: a quarter of a second or so of each."""

ROOT = Path(__file__).resolve().parents[3]
APART = Path(sys.prefix) / "peers"
"""One folder for each peer that cannot be installed beside us; ``make bench`` makes them."""


class PeerMissing(Exception):
    """The library cannot be imported. `make bench` installs it."""


class PeerFailed(Exception):
    """The library is there, and its measurement failed; its error is on standard error."""


@attrs.frozen
class Peer:
    name: str
    version: str
    _process: subprocess.Popen[str]

    def tell(self, messages: int) -> float:
        """Messages per second. Raises `PeerFailed`."""
        return float(_exchange(self.name, self._process, str(messages))["rate"])


@contextmanager
def running(name: str) -> Iterator[Peer]:
    """A peer that is ready to measure. Raises `PeerMissing`, `PeerFailed`."""
    command = [sys.executable, "-m", "benchmarks.runtime.peers.worker", name]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(APART / name), stdin=pipe, stdout=pipe, text=True
    ) as process:
        try:
            yield Peer(name, _greeted(name, process), process)
        except BaseException:
            process.kill()
            raise


def environment(*folders: Path) -> dict[str, str]:
    """The variables of a measuring process, which finds modules where this one does, then in ``folders``."""
    path = [*filter(None, sys.path), *map(str, folders)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _greeted(name: str, process: subprocess.Popen[str]) -> str:
    """The version of the library."""
    hello = _exchange(name, process, "")
    if "missing" in hello:
        raise PeerMissing(hello["missing"])
    return str(hello["version"])


def _exchange(name: str, process: subprocess.Popen[str], line: str) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if not answer:
        raise PeerFailed(f"{name} ended with exit code {process.wait()}")
    found: dict[str, Any] = json.loads(answer)
    return found
