"""``demo``: the whole job on a sample repository, with built-in agents and no key."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import trio
from rich.console import Console

from scriptorium.actors.orchestrator import StopSwitch
from scriptorium.cli.failure import EXIT_FAILED, EXIT_INTERRUPTED
from scriptorium.cli.signals import gate
from scriptorium.code.repository import Project
from scriptorium.demo.play import Outcome, play, prepare, report
from scriptorium.demo.progress import Progress
from scriptorium.runtime import sole_error


def demo(*, keep: bool) -> int:
    """Exit 0 only if every ticket is done, the base branch is green and the plan's history is valid."""
    folder = Path(tempfile.mkdtemp(prefix="scriptorium-demo-"))
    try:
        console = Console(file=sys.stdout)
        console.print(f"A sample repository in {folder}", markup=False, highlight=False, soft_wrap=True)
        return _play(folder / "inkwell", console, keep=keep)
    finally:
        gate.close()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _play(folder: Path, console: Console, *, keep: bool) -> int:
    progress = Progress()
    project = prepare(folder)
    try:
        outcome = trio.run(_main, project, progress, console)
    except BaseExceptionGroup as group:
        raise sole_error(group) from None
    if outcome.stopped:
        console.print("Stopped.")
        return EXIT_INTERRUPTED
    report(project, progress, outcome, console)
    _where_next(folder, keep=keep)
    return EXIT_FAILED if outcome.faults else 0


async def _main(project: Project, progress: Progress, console: Console) -> Outcome:
    switch = StopSwitch()
    token = trio.lowlevel.current_trio_token()

    def signalled(count: int) -> None:
        if count == 1:
            token.run_sync_soon(switch.ask)
        else:
            switch.kill_now()
            os._exit(EXIT_INTERRUPTED)

    # Only now: until here Ctrl-C is an exception, and the folder is removed.
    gate.install()
    gate.attach(signalled)
    return await play(project, progress, console, switch)


def _where_next(folder: Path, *, keep: bool) -> None:
    if keep:
        sys.stdout.write(
            f"\nThe repository is still there. Look at it with:\n"
            f"  git -C {folder} log --graph --oneline main\n"
            f"  git -C {folder} log --oneline scriptorium/plan   (every decision is a commit)\n"
            f"  git -C {folder} show scriptorium/plan:tickets/done/\n"
            f"  scriptorium status -C {folder}\n"
            f"  scriptorium logs 0001 -C {folder}                 (what an agent did)\n"
        )
    else:
        sys.stdout.write(
            "\nNext: `scriptorium demo --keep` leaves the repository to look around in. In one of your own:\n"
            "  scriptorium --init\n  scriptorium plan --from spec.md\n  scriptorium run\n"
        )
