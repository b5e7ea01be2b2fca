"""A running service lets go of old pins by itself, says so in one line, and lives on when it cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors.events import Tidied, Trouble
from scriptorium.actors.pin_keeping import SWEEP_EVERY_SECONDS

from .stage import Stage, drafts

SUBMITTED = "refs/scriptorium/submitted/"


def raise_curtain(stage: Stage, days: float) -> None:
    """Begin a life so many days after the present, which is when commits of work say that they were made."""

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(days=days)

    stage.raise_curtain()
    stage.world.now = now
    stage.world.plan._repository._now = lambda: now().timestamp()


async def live(stage: Stage, days: float) -> None:
    """A whole life at that time."""
    raise_curtain(stage, days)
    await stage.run(new=False)


@pytest.mark.req("V1-19")
async def test_a_start_lets_go_of_what_landed_long_ago(stage: Stage, autojump_clock: MockClock) -> None:
    stage.tickets(core=drafts("one", "two"))
    await live(stage, 0)
    stage.assert_finished("one", "two")
    assert len(stage.refs(SUBMITTED)) == 2
    await live(stage, 6)
    assert (len(stage.refs(SUBMITTED)), stage.heard(Tidied)) == (2, [])
    await live(stage, 8)
    assert stage.refs("refs/scriptorium/") == []
    (told,) = stage.heard(Tidied)
    assert told.what == f"let go of 2 old pins of 2 finished tickets, {SUBMITTED}0001/1 the first"
    # The ids are not given out again, and nothing is done twice.
    stage.tickets(docs=drafts("three"))
    await stage.run()
    assert sorted(stage.snapshot.tickets) == ["0001", "0002", "0003"]
    assert stage.states() == {"one": "done", "two": "done", "three": "done"}


async def test_a_service_that_runs_on_looks_again(stage: Stage, autojump_clock: MockClock) -> None:
    stage.tickets(core=drafts("one"))
    await live(stage, 0)
    lock = stage.project.git_dir / SUBMITTED / "0001" / "1.lock"
    lock.touch()
    raise_curtain(stage, 8)
    stage.world.watch_seconds = SWEEP_EVERY_SECONDS
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(stage.run, until_idle=False, new=False))
        await trio.sleep(SWEEP_EVERY_SECONDS / 2)
        assert ["1.lock" in trouble.what for trouble in stage.heard(Trouble)] == [True]
        assert stage.refs(SUBMITTED) == [f"{SUBMITTED}0001/1"]
        lock.unlink()
        await trio.sleep(SWEEP_EVERY_SECONDS)
        assert stage.refs(SUBMITTED) == []
        assert len(stage.heard(Tidied)) == 1
        stage.stop.set()
