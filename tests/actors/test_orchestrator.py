"""The entry point of a program that embeds scriptorium, on a real repository and a real port."""

from __future__ import annotations

import inspect
import signal
from pathlib import Path
from typing import get_type_hints

import pygit2
import pytest

import scriptorium
from scriptorium.actors.events import ServiceStarted
from scriptorium.actors.tree import Report
from scriptorium.cli import run as command_line
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanMissing
from scriptorium.runtime import EventStream
from scriptorium.testing import listen

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a commit and no plan."""
    repo = pygit2.init_repository(str(tmp_path / "project"), initial_head="main")
    who = pygit2.Signature("A Person", "person@example.org")
    repo.create_commit("HEAD", who, who, "first", repo.TreeBuilder().write(), [])
    return tmp_path / "project"


@pytest.mark.req("V1-01")
def test_the_entry_point_is_public_and_typed_and_the_command_line_calls_it() -> None:
    assert "run_orchestrator" in scriptorium.__all__
    assert vars(command_line)["run_orchestrator"] is scriptorium.run_orchestrator
    assert inspect.iscoroutinefunction(scriptorium.run_orchestrator)
    signature = inspect.signature(scriptorium.run_orchestrator)
    needed = [name for name, each in signature.parameters.items() if each.default is inspect.Parameter.empty]
    assert needed == ["repo_path"]
    hints = get_type_hints(scriptorium.run_orchestrator)
    assert hints.keys() == {*signature.parameters, "return"}
    assert hints["repo_path"] == Path | str
    assert hints["return"] is Report


@pytest.mark.slow
@pytest.mark.req("V1-01")
async def test_it_runs_until_idle_and_leaves_the_signals_to_its_caller(root: Path) -> None:
    initialize(root / ".git")
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    events = EventStream()
    async with listen(events) as heard:
        # The annotation is a part of the test: mypy, which is strict, has to agree with it.
        report: Report = await scriptorium.run_orchestrator(root, port=0, until_idle=True, events=events)
    assert ServiceStarted in map(type, heard.received)
    assert not report.stopped
    assert [line.partition(":")[0] for line in report.leftovers] == ["no spec"]
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers


@pytest.mark.slow
@pytest.mark.req("V1-01")
async def test_its_errors_come_as_what_they_are(root: Path) -> None:
    with pytest.raises(PlanMissing):
        await scriptorium.run_orchestrator(str(root), port=0, until_idle=True)
