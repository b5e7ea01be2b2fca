"""Lands branches with mergetrain, in this process, and prints the seconds that it took. Run as a program.

    python -m benchmarks.merge_queue.train CONFIG REPOSITORY ONE-BY-ONE? BRANCH...

Each branch is enqueued with `--auto`, as unattended landing asks for, and then `daemon --once` is run: with
`processing: ordered` once for each branch, else once for all as one train. Only that is timed, and the start
of its program is left out, as a daemon starts once.
"""

import contextlib
import io
import sys
import time

from mergetrain.cli import main as mergetrain


def call(*words: str) -> None:
    """Run a command of mergetrain; what it prints is kept for when it fails."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = mergetrain([*words])
    if code:
        raise SystemExit(f"mergetrain {' '.join(words)}: {code}\n{said.getvalue()}")


def main(config: str, repository: str, one_by_one: str, *branches: str) -> None:
    """Print the seconds."""
    place = ("--config", config, "--repo", repository)
    for branch in branches:
        call(*place, "enqueue", "--task", branch, "--branch", branch, "--auto")
    began = time.perf_counter()
    for _ in branches if one_by_one == "yes" else ("all",):
        call(*place, "daemon", "--once")
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
