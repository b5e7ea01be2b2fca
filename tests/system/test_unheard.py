"""A service whose news nobody can hear goes on all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_news_that_cannot_be_printed_do_not_end_the_service(tmp_path: Path) -> None:
    script = (
        "git init -q -b main . && git -c user.name=N -c user.email=n@e commit -q --allow-empty -m first && "
        f'"{sys.executable}" -m scriptorium --init >&2 && '
        f'"{sys.executable}" -m scriptorium run --until-idle --port 0 2>/dev/full'
    )
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "no spec")


def test_a_pipe_that_nobody_reads_does_not_keep_the_service(tmp_path: Path) -> None:
    script = (
        "import os, sys, trio\n"
        "from scriptorium.actors.events import Trouble\n"
        "from scriptorium.actors.tree import Report\n"
        "from scriptorium.cli import run\n"
        "async def talks(*_words, events, **_named):\n"
        "    for number in range(3_000):\n"
        "        events.publish(Trouble('x' * 100))\n"
        "        await trio.sleep(0)\n"
        "    return Report()\n"
        "run.run_orchestrator = talks\n"
        "full = os.pipe()[1]\n"
        "os.dup2(full, 2)\n"
        "trio.run(run._run, '.', None, True, 0)\n"
        "print('over')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, "over\n")
