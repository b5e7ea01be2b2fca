"""A check that can be held: `python gated_check.py ASIDE`, in the folder that is to be checked.

It fails when a file below `parts/` says `bad`. Each run is told, a JSON object a line, in `checks.jsonl` in
the folder ASIDE. While there is a file `NAME.hold` in ASIDE, NAME being `base` or the ticket's id, the run
makes `NAME.checking` and waits until the file is gone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

WAIT_SECONDS = 120.0


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
    hold = aside / f"{subject}.hold"
    last = time.monotonic() + WAIT_SECONDS
    if hold.exists():
        (aside / f"{subject}.checking").touch()
    while hold.exists() and time.monotonic() < last:
        time.sleep(0.01)
    bad = [path for path in Path("parts").glob("*") if "bad" in path.read_text()]
    sys.stdout.write(f"bad: {', '.join(map(str, bad))}\n" if bad else "all good\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
