"""``scriptorium demo`` as a person runs it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .service import COMMAND, clean_environment, marked

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 120


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """The folder that the demo takes for temporary files."""
    yield tmp_path
    assert marked(tmp_path) == {}


def demo(temporary: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "demo", *words],
        cwd=temporary, env={**clean_environment(), "TMPDIR": str(temporary), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip


@pytest.mark.req("V1-35", "V1-00a")
def test_it_lands_everything_and_leaves_nothing(temporary: Path) -> None:
    done = demo(temporary)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAULT" not in done.stdout
    assert len(re.findall(r"landed as", done.stdout)) == 8
    assert "came back once: the submission conflicts" in done.stdout
    assert "came back once: merged with the base branch, the check `make test` failed" in done.stdout
    assert "4 agents at once" in done.stdout
    assert "scriptorium --init" in done.stdout
    assert list(temporary.iterdir()) == []


def test_kept_it_can_be_looked_at(temporary: Path) -> None:
    done = demo(temporary, "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = temporary.iterdir()
    status = subprocess.run(
        [COMMAND, "status", "-C", str(folder / "inkwell")],
        env=clean_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert status.stdout.startswith("Open: 0\nIn Progress: 0\nDone: 8\n")
    named = re.search(r"^  scriptorium (logs \S+ -C \S+)", done.stdout, re.MULTILINE)
    assert named is not None
    logs = subprocess.run([COMMAND, *named[1].split()], capture_output=True, check=False)
    assert (logs.returncode, bool(logs.stdout)) == (0, True), logs.stderr
    checked = subprocess.run(["make", "test"], cwd=folder / "inkwell", capture_output=True, check=False)
    assert checked.returncode == 0
