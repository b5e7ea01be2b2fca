"""A control group for each run, where systemd has left us ours to divide (`Delegate=yes`).

All that is in one is killed at one blow, also what forks faster than it can be found. Nothing relies on it:
where there is none, and for what got out of it, the runs' processes are found as everywhere else.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

_MOUNT: Final = Path("/sys/fs/cgroup")
_DELEGATED: Final = ("user.delegate", "trusted.delegate")
"""How systemd says that a group is its processes' own affair; the first one since version 251."""


def delegated_group(own: Path = Path("/proc/self/cgroup"), mount: Path = _MOUNT) -> Path | None:
    """The folder of this process's group in cgroup v2, if it was delegated; None in all other cases.

    That we could write to it says nothing: root may write to every group, and a user to those of their
    session, which belong to systemd all the same.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    place = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if place is None:
        return None
    folder = mount / place
    # Absent before Linux 5.14; and the root group has none.
    if not (folder / "cgroup.kill").exists() or not os.access(folder, os.W_OK | os.X_OK):
        return None
    return folder if any(_attribute(folder, name) == b"1" for name in _DELEGATED) else None


def _attribute(folder: Path, name: str) -> bytes:
    try:
        return os.getxattr(folder, name)
    except OSError:
        return b""


@frozen
class RunGroup:
    """The control group of one run, whether there is one or not. What the kernel refuses raises nothing."""

    folder: Path

    @classmethod
    def of(cls, parent: Path, run_id: str) -> RunGroup:
        """The one of this run; another service finds it by the same name."""
        return cls(parent / f"scriptorium-{run_id}")

    def enclose(self, pid: int) -> None:
        """Make the group and move a process of ours into it; what that starts from then on is in it too.

        May take some milliseconds. What it had started before stays outside.
        """
        with suppress(OSError):
            self.folder.mkdir()
            (self.folder / "cgroup.procs").write_text(f"{pid}\n", encoding="ascii")

    def pids(self) -> frozenset[int]:
        """The processes in it and in what the run itself has divided it into; those that ended are not."""
        found: set[int] = set()
        for folder, _, _ in os.walk(self.folder):
            with suppress(OSError):
                words = Path(folder, "cgroup.procs").read_text(encoding="ascii").split()
                found.update(int(word) for word in words)
        return frozenset(found)

    def kill(self) -> None:
        """Send SIGKILL to all of it at once."""
        with suppress(OSError):
            (self.folder / "cgroup.kill").write_text("1\n", encoding="ascii")

    def remove(self) -> None:
        """Remove the group and its parts, as far as they are empty."""
        for folder, _, _ in os.walk(self.folder, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
