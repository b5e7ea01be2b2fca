"""Gates at which agents and checks are held: locked files, which the end of the test's process opens."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from attrs import define, field


@define
class Gates:
    """Files in one folder; whoever is held at one waits for its lock (flock(2))."""

    folder: Path
    _closed: dict[str, int] = field(factory=dict)

    def close(self, name: str) -> None:
        """Hold whoever comes to this gate. Again is no error."""
        if name not in self._closed:
            self._closed[name] = os.open(self.folder / name, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._closed[name], fcntl.LOCK_EX)

    def open(self, name: str) -> None:
        """Let whoever is, or will be, held at this gate go on. Again is no error."""
        gate = self._closed.pop(name, None)
        if gate is not None:
            fcntl.flock(gate, fcntl.LOCK_UN)  # closing it is not enough if a fork has it too
            os.close(gate)

    def open_all(self) -> None:
        """Hold nobody any more."""
        for name in list(self._closed):
            self.open(name)
