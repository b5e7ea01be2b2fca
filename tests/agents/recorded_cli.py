"""A real agent CLI, and beside it a record of each run: `python recorded_cli.py FOLDER PROGRAM ARGUMENTS...`

FOLDER gets `<run>.json` with its arguments, its parent and what it is for, and `<run>.out` with every byte
that the CLI printed, whatever scriptorium makes of it. Prompt, errors and exit code go through untouched.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def main(folder: Path, program: str, words: list[str]) -> int:
    """Run the CLI to its end; its exit code."""
    if words == ["--version"]:  # no run of an agent's: scriptorium asks before the first
        os.execv(program, [program, *words])  # noqa: S606 - the test's own
    run = os.environ["SCRIPTORIUM_RUN"]
    names = ("SCRIPTORIUM_ROLE", "SCRIPTORIUM_TICKET", "SCRIPTORIUM_AREA", "SCRIPTORIUM_MCP_TOKEN")
    facts = {name: os.environ.get(name) for name in names}
    parent = Path(f"/proc/{os.getppid()}/cmdline").read_text().split("\0")
    record = {"argv": words, "cwd": str(Path.cwd()), "parent": parent, **facts}
    (folder / f"{run}.json").write_text(json.dumps(record))
    with (
        (folder / f"{run}.out").open("xb", buffering=0) as printed,
        subprocess.Popen([program, *words], stdout=subprocess.PIPE, bufsize=0) as cli,
    ):
        assert cli.stdout is not None
        while chunk := os.read(cli.stdout.fileno(), 65536):
            printed.write(chunk)
            os.write(1, chunk)
        code = cli.wait()
    # As a shell says it: a process that ended by a signal has no exit code of its own.
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
