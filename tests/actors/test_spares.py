"""The folder of a ticket's worktree serves the next ticket, while the service runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trio.testing import MockClock

from scriptorium.actors import tree
from scriptorium.actors.events import Trouble
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.code.removal import TRASH_PREFIX
from scriptorium.harness.interface import AgentOutcome

from .stage import Stage, drafts, good, write


def _left(stage: Stage) -> list[str]:
    return sorted(os.listdir(stage.project.worktrees_dir))  # noqa: PTH208


@pytest.mark.req("V1-19")
async def test_the_next_ticket_has_the_folder_and_nothing_that_was_in_it(
    stage: Stage, autojump_clock: MockClock
) -> None:
    seen: list[tuple[int, set[str]]] = []

    async def play(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        seen.append((job.cwd.stat().st_ino, {str(path.relative_to(job.cwd)) for path in job.cwd.rglob("*")}))
        write(job, ".gitignore", "cache/\n")
        write(job, f"cache/{job.cwd.name}", "ignored\n")
        return await good(job, submit)

    stage.cast.coding = {"one": [play], "two": [play]}
    stage.tickets(core=drafts("one", "two", two="**Depends:** one\n"))

    await stage.run()

    stage.assert_finished("one", "two")
    (first, before), (second, after) = seen
    assert first == second
    assert after == before | {".gitignore", "parts/one.txt"}
    assert _left(stage) == ["tickets"]


async def test_what_a_crash_left_is_gone_at_the_end_of_the_next_service(
    stage: Stage, autojump_clock: MockClock
) -> None:
    for name in (".scriptorium-spare-0", ".scriptorium-spare-1", f"{os.fsdecode(TRASH_PREFIX)}spare"):
        (stage.project.worktrees_dir / name / "left").mkdir(parents=True)
    stage.tickets(core=drafts("one"))

    await stage.run()

    stage.assert_finished("one")
    assert _left(stage) == ["tickets"]


async def test_spares_that_cannot_be_deleted_are_told_of(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(project: object) -> None:
        raise PermissionError(1, "Operation not permitted", str(Path("spare")))

    monkeypatch.setattr(tree, "discard_spares", forbidden)

    await stage.run()

    assert "cannot remove the folders kept for other worktrees" in stage.heard(Trouble)[-1].what
