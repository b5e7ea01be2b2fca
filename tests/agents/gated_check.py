"""A check that can be held: `python gated_check.py ASIDE`, in the folder that is to be checked.

It fails when a file below `parts/` says `bad`. Each run is told, a JSON object a line, in `checks.jsonl` in
the folder ASIDE. While somebody has the file `NAME.hold` in ASIDE locked, NAME being `base` or the ticket's
id, the run makes `NAME.checking`, rings the bell and waits for the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

WAIT_SECONDS = 120
"""A run that waits for longer is ended by the alarm."""


def main(aside: Path) -> int:
    """0 when nothing is bad, else 1."""
    here = Path.cwd()
    subject = "base" if here.name == "base" else here.name[:4]
    files = sorted(str(path.relative_to(here)) for path in here.rglob("*") if path.is_file())
    line = {
        "subject": subject,
        "files": [path for path in files if not path.startswith(".git")],
        "at": time.monotonic(),
    }
    fd = os.open(aside / "checks.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (json.dumps(line) + "\n").encode())
    os.close(fd)
    wait_if_held(aside, subject)
    bad = [path for path in Path("parts").glob("*") if "bad" in path.read_text()]
    sys.stdout.write(f"bad: {', '.join(map(str, bad))}\n" if bad else "all good\n")
    return 1 if bad else 0


def wait_if_held(aside: Path, subject: str) -> None:
    """Wait for as long as somebody holds the checks of this subject."""
    try:
        held = os.open(aside / f"{subject}.hold", os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        (aside / f"{subject}.checking").touch()
        ring(aside)
        signal.alarm(WAIT_SECONDS)
        fcntl.flock(held, fcntl.LOCK_SH)
        signal.alarm(0)
    os.close(held)


def ring(aside: Path) -> None:
    """Have whoever listens look at what there is now."""
    with contextlib.suppress(OSError):  # nobody does, or there is enough to hear already
        bell = os.open(aside / "bell", os.O_WRONLY | os.O_NONBLOCK)
        os.write(bell, b".")
        os.close(bell)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
