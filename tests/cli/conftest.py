"""A repository with a plan in it, and the command line called as a process and in this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from scriptorium.cli.signals import STOP_SIGNALS

from .planned import commit

Scriptorium = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def no_configuration_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the git configuration nor the scriptorium environment of whoever runs the tests counts."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in tuple(os.environ):
        if name.startswith("SCRIPTORIUM_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def the_signals_of_the_tests() -> Iterator[None]:
    """``run`` takes the signals over and at its end ignores them; neither may stay so in this process."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def scriptorium() -> Scriptorium:
    """Runs the command line as a process of its own: ``scriptorium("status", cwd=..., stdin=...)``."""

    def call(
        *words: str,
        cwd: Path | None = None,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("scriptorium"), *words],
            cwd=cwd, input=stdin, env={**os.environ, **(env or {})},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return call


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with one commit on ``main``, a makefile in it."""
    root = tmp_path / "repo"
    commit(root, {"Makefile": "test:\n\t@true\n"})
    return root
