"""What a start puts right: work of dead runs is pinned, what a kill left locked is unlocked, and no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from scriptorium.actors import recovery
from scriptorium.actors.events import Event, Recovered, Trouble
from scriptorium.actors.recovery import recover
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.code.locks import STALE_AFTER_SECONDS
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.process import DeadRun, ProcessRunner
from scriptorium.harness.records import RunFacts, RunRecord
from scriptorium.plan.ids import TicketId
from scriptorium.runtime import inline
from scriptorium.testing import ended

from .stage import Stage, drafts, write

LATER = 4_000_000_000.0
"""Long after any file of a test was written."""
PACKED_REFS = "# pack-refs with: peeled fully-peeled sorted \n"


@define(eq=False)
class Sweeper(ProcessRunner):
    """Finds the runs that a test has, all of them dead."""

    found: tuple[DeadRun, ...] = field(default=(), kw_only=True)

    async def sweep_dead_service(self) -> tuple[DeadRun, ...]:
        await trio.lowlevel.checkpoint()
        return self.found


def dead(ticket: str, worktree: Path | None, **changes: Any) -> DeadRun:
    facts = RunFacts("coding", ticket, None, None, None if worktree is None else str(worktree))
    record = RunRecord("r1", facts, "2030-01-01T00:00:00Z", ("agent",))
    return DeadRun(record, **{"killed": 1, "all_gone": True, **changes})


async def start(stage: Stage, *found: DeadRun, now: float = LATER) -> list[Event]:
    runner = Sweeper(stage.project.state_dir / "runs", found=found)
    return await recover(stage.project, "main", stage.snapshot, runner, inline, now=lambda: now)


def worktree(stage: Stage, slug: str = "one") -> Path:
    file = stage.file(slug)
    return stage.project.worktrees_dir / "tickets" / f"{file.id}-{slug}"


async def killed_at_work(stage: Stage, submits: bool = False) -> None:
    """A life that ends at once in the middle of an attempt: nothing is pinned or written down by it."""
    stage.tickets(core=drafts("one"))

    async def play(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/one.txt", "half\n")
        if submits:
            assert (await submit("Done.")).accepted
            write(job, "parts/stray.txt", "stray\n")
        kill.cancel()
        return await trio.sleep_forever()

    stage.cast.coding["one"] = [play]
    with trio.CancelScope() as kill:
        await stage.run()
    assert stage.states() == {"one": "in-progress"}
    assert stage.refs("refs/scriptorium/work") == []


async def resumes(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
    """Goes on from what is there."""
    before = (job.cwd / "parts" / "one.txt").read_text()
    write(job, "parts/one.txt", f"{before}good\n")
    assert (await submit("Done.")).accepted
    return ended()


# ---- work


@pytest.mark.req("V1-34", "V1-19")
@pytest.mark.parametrize("lost", [False, True])
async def test_work_in_progress_is_pinned_and_gone_on_from_even_when_its_worktree_is_lost(
    stage: Stage, autojump_clock: MockClock, lost: bool
) -> None:
    await killed_at_work(stage)
    news = await start(stage, dead("0001", worktree(stage)))
    assert [type(event) for event in news] == [Recovered, Recovered]
    assert "pinned the work in progress" in str(news[1])
    assert stage.show("refs/scriptorium/work/0001/1", "parts/one.txt") == "half"
    if lost:
        stage.git("worktree", "remove", "--force", str(worktree(stage)))
    stage.cast.coding["one"] = [resumes]
    await stage.run()
    stage.assert_finished("one")
    assert stage.show("main", "parts/one.txt") == "half\ngood"
    assert stage.subjects("assign") == ["assign ticket 0001-one"]


@pytest.mark.req("V1-34")
async def test_starting_again_and_again_pins_it_once(stage: Stage, autojump_clock: MockClock) -> None:
    await killed_at_work(stage)
    for _ in range(3):
        await start(stage, dead("0001", worktree(stage)))
    assert stage.refs("refs/scriptorium/work") == ["refs/scriptorium/work/0001/1"]


@pytest.mark.req("V1-34", "V1-21")
async def test_what_was_written_after_a_submission_is_pinned_and_not_gone_on_from(
    stage: Stage, autojump_clock: MockClock
) -> None:
    await killed_at_work(stage, submits=True)
    await start(stage, dead("0001", worktree(stage)))
    assert stage.show("refs/scriptorium/work/0001/1", "parts/stray.txt") == "stray"
    # The submission comes back, and the worktree goes with that.
    stage.judge = lambda folder: "bad\n" if (folder / "parts/one.txt").exists() else None
    stage.set(max_reopens=1)
    seen: list[bool] = []

    async def play(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        seen.append((job.cwd / "parts/stray.txt").exists())
        (job.cwd / "parts/one.txt").rename(job.cwd / "parts/uno.txt")
        assert (await submit("Done otherwise.")).accepted
        return ended()

    stage.cast.coding["one"] = [play]
    await stage.run()
    assert seen == [False]
    assert stage.states() == {"one": "done"}
    assert "parts/stray.txt" not in stage.git("ls-tree", "-r", "--name-only", "main")


async def test_a_record_that_leads_elsewhere_pins_nothing(
    stage: Stage, tmp_path: Path, autojump_clock: MockClock
) -> None:
    await killed_at_work(stage)
    outside = tmp_path / "0001-one"
    outside.mkdir()
    (outside / "secret").write_text("secret\n")
    for record in (
        dead("0001", outside),
        dead("0002", worktree(stage)),
        dead("0001", stage.root),
        dead("0001", None),
        dead("0001", worktree(stage) / ".." / ".." / ".." / ".."),
    ):
        (told,) = await start(stage, record)
        assert isinstance(told, Recovered)
    assert stage.refs("refs/scriptorium/work") == []


async def test_work_that_cannot_be_pinned_stays_where_it_is_and_the_start_goes_on(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed_at_work(stage)

    def full(*_given: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recovery, "snapshot_work", full)
    news = await start(stage, dead("0001", worktree(stage)))
    assert [type(event) for event in news] == [Recovered, Trouble]
    assert "No space left" in str(news[1])
    assert (worktree(stage) / "parts/one.txt").read_text() == "half\n"


# ---- locks


OURS = ("refs/heads/scriptorium/plan.lock", "refs/scriptorium/work/0001/1.lock")


def lay(stage: Stage, *names: str, text: str = "") -> list[Path]:
    paths = [stage.project.git_dir / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return paths


@pytest.mark.req("V1-34")
async def test_old_locks_of_our_refs_go_at_once_and_are_named(
    stage: Stage, autojump_clock: MockClock
) -> None:
    ours = lay(stage, *OURS)
    users = lay(
        stage, "refs/heads/main.lock", "refs/heads/mine.lock", "index.lock", "HEAD.lock", "config.lock"
    )
    news = await start(stage)
    assert news == [Recovered(f"removed the stale lock {path}") for path in ours]
    assert trio.current_time() < STALE_AFTER_SECONDS
    assert [path.exists() for path in users] == [True] * len(users)


async def test_a_young_lock_goes_when_it_is_still_the_same_a_moment_later(
    stage: Stage, autojump_clock: MockClock
) -> None:
    (lock,) = lay(stage, OURS[0])
    began = trio.current_time()
    assert await start(stage, now=lock.stat().st_ctime) == [Recovered(f"removed the stale lock {lock}")]
    assert trio.current_time() - began == pytest.approx(STALE_AFTER_SECONDS, abs=0.01)


def _released(lock: Path) -> None:
    lock.unlink()


def _taken_again(lock: Path) -> None:
    other = lock.with_name("other")
    other.touch()
    other.replace(lock)


def _written_to(lock: Path) -> None:
    lock.write_text("f" * 40)


@pytest.mark.parametrize("what", [_released, _taken_again, _written_to])
async def test_a_lock_that_a_living_git_program_holds_is_left_to_it(
    stage: Stage, autojump_clock: MockClock, what: Callable[[Path], None]
) -> None:
    (lock,) = lay(stage, OURS[0])
    now = lock.stat().st_ctime
    async with trio.open_nursery() as nursery:

        async def git() -> None:
            await trio.sleep(STALE_AFTER_SECONDS / 2)
            what(lock)

        nursery.start_soon(git)
        assert await start(stage, now=now) == []
    assert lock.exists() is (what is not _released)


async def test_the_base_is_unlocked_while_a_landing_is_not_settled(
    stage: Stage, autojump_clock: MockClock
) -> None:
    (lock,) = lay(stage, "refs/heads/main.lock")
    assert await start(stage) == []
    stage.git("update-ref", "refs/scriptorium/landing/0001", "main")
    assert await start(stage) == [Recovered(f"removed the stale lock {lock}")]


async def test_all_packed_refs_are_unlocked_when_it_was_us(stage: Stage, autojump_clock: MockClock) -> None:
    """Git leaves its own lock empty; which program died is not to be told then, and a person decides."""
    (lock,) = lay(stage, "packed-refs.lock", text=PACKED_REFS)
    assert await start(stage) == [Recovered(f"removed the stale lock {lock}")]
    lay(stage, "packed-refs.lock")
    (told,) = await start(stage)
    assert isinstance(told, Trouble)
    assert f"{lock} is there" in told.what
    assert lock.exists()


# ---- tickets


@pytest.mark.req("V1-34")
async def test_a_ticket_in_progress_without_an_agent_goes_on_upon_its_own_branch(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """Killed between the assignment and the worktree; the branch has what an earlier try left."""
    stage.tickets(core=drafts("one"))
    earlier = stage.commit({"parts/earlier.txt": "good\n"})
    stage.git("branch", "scriptorium/ticket-0001", earlier)
    stage.git("reset", "-q", "--hard", "HEAD~1")
    stage.plan.assign(TicketId("0001"))
    await stage.run()
    stage.assert_finished("one")
    assert stage.show("main", "parts/earlier.txt") == "good"
    assert stage.subjects("assign") == ["assign ticket 0001-one"]
