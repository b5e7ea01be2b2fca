"""A hiccup of the disk or the repository costs what it touches, and the service goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import base_check, orchestrator, planner_run, tree_checks
from scriptorium.actors.conditions_file import write_conditions
from scriptorium.actors.events import Parked, Trouble
from scriptorium.actors.news import News
from scriptorium.actors.process_agents import ProcessAgents
from scriptorium.code import scratch
from scriptorium.code.exact import reset_to_commit
from scriptorium.code.scratch import Scratch
from scriptorium.code.trees import UnsafeTree
from scriptorium.code.worktrees import prepare_base_worktree
from scriptorium.harness.refusing import RefusingRunner
from scriptorium.plan.ids import Oid
from scriptorium.runtime import ChildCrashed

from .stage import Stage, drafts, until_landed, writes


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fails(times: int, error: Callable[[], Exception], real: Callable[..., Any]) -> Callable[..., Any]:
    """`real`, once it has failed so often."""
    left = iter(range(times))

    def call(*words: object, **named: object) -> object:
        if next(left, None) is not None:
            raise error()
        return real(*words, **named)

    return call


async def live_until_landed(stage: Stage) -> None:
    stage.raise_curtain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        with trio.fail_after(10 * 3600):
            await until_landed(stage, 1)
        stage.stop.set()


@pytest.mark.req("V1-27")
@pytest.mark.parametrize("error", [full_disk, lambda: UnsafeTree("no such name")], ids=["full", "unsafe"])
async def test_a_base_that_cannot_be_checked_out_is_tried_again_with_backoff(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception]
) -> None:
    monkeypatch.setattr(base_check, "prepare_base_worktree", fails(8, error, prepare_base_worktree))
    stage.tickets(core=drafts("one"))
    report = await stage.run()
    assert report.leftovers[0].startswith("base branch main not known to be green: ")
    await live_until_landed(stage)
    assert stage.heard(ChildCrashed) == []


async def test_a_full_disk_while_landing_blames_no_ticket(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_checks, "reset_to_commit", fails(8, full_disk, reset_to_commit))
    stage.tickets(core=drafts("one"))
    await live_until_landed(stage)
    assert stage.heard(Parked) == []
    stage.assert_sound()


async def test_a_worktree_that_cannot_be_removed_and_a_damaged_branch_stop_nobody(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.unlink

    def unlink(path: str | bytes | os.PathLike[str], *, dir_fd: int | None = None) -> None:
        if os.fsencode(path).endswith(b"/.git"):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    damaged = stage.project.git_dir / "refs/heads/scriptorium/ticket-0007"
    damaged.parent.mkdir(parents=True, exist_ok=True)
    damaged.write_text("")
    stage.set(max_agents=1)
    stage.tickets(core=drafts("one"), docs=drafts("two"))
    assert (await stage.run()).leftovers == ()
    assert stage.states() == {"one": "done", "two": "done"}
    assert stage.heard(ChildCrashed) == []
    troubles = [trouble.what for trouble in stage.heard(Trouble)]
    assert sum("cannot remove the worktree" in trouble for trouble in troubles) == 3  # the base's is one
    assert len(troubles) == 4


async def test_news_of_the_base_reach_everybody_when_status_cannot_be_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestrator, "write_conditions", fails(9, full_disk, write_conditions))
    stage.raise_curtain()
    world = stage.world
    service = orchestrator._Service(
        stage.project, stage.config, world.branch, stage.plan.repository, RefusingRunner(), world.events
    )
    conditions = service._world(ProcessAgents(stage.project, stage.config, RefusingRunner())).conditions
    news = News()
    service._conditions_changed(conditions, news)
    assert news.generation == 1


async def test_a_landing_goes_on_when_the_checkout_goes_to_another_branch(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [writes("README.md", "# Changed\n")]
    (stage.root / "README.md").write_text("uncommitted\n")
    stage.raise_curtain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(30)
        assert stage.world.conditions.blocked is not None
        stage.git("switch", "-q", "-c", "wip")
        with trio.fail_after(10):
            await until_landed(stage, 1)
        stage.stop.set()
    assert (stage.root / "README.md").read_text() == "uncommitted\n"


@pytest.mark.parametrize("role", ["architect", "manager"])
async def test_a_hiccup_around_a_planner_is_waited_out(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    """Neither actor crashes, so no other area's agent is ended and no counted try is forgotten."""
    stage.spec()
    stage.cast.areas = {"core": "# Core\n"}
    stage.cast.drafts = {"core": drafts("one")}
    left = iter([role, role])

    def export(git_dir: Path, commit: Oid, root: Path) -> Scratch:
        areas = stage.snapshot.areas
        if (role == "manager") == bool(areas) and next(left, None):
            raise full_disk()
        return scratch.export(git_dir, commit, root)

    monkeypatch.setattr(planner_run, "export", export)
    await live_until_landed(stage)
    assert stage.heard(ChildCrashed) == []
    assert [event.what.split(":")[0] for event in stage.heard(Trouble)] == [
        role if role == "architect" else "manager of core"
    ] * 2
    assert stage.states() == {"one": "done"}


async def test_a_damaged_landing_ref_stops_nobody(stage: Stage, autojump_clock: MockClock) -> None:
    damaged = stage.project.git_dir / "refs/scriptorium/landing/0099"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("nonsense\n")
    stage.tickets(core=drafts("one"))
    assert (await stage.run()).leftovers == ()
    assert stage.states() == {"one": "done"}
    assert stage.heard(ChildCrashed) == []
