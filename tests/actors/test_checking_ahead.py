"""While one entry lands, the next is checked as it will be then; nothing rests on that but time."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.merge_queue import MergeQueue
from scriptorium.actors.news import MAILBOX_CAPACITY
from scriptorium.actors.world import NoVerdict
from scriptorium.code.evidence import Verdict, VerdictStore
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.notes import ReopenNote
from scriptorium.plan.transitions import ParkTicket
from scriptorium.runtime import ChildSpec, Supervisor
from scriptorium.testing import FunctionChecks

from .stage import Stage, drafts, t, until_landed

T = TypeVar("T")

SLUGS = ("one", "two", "three")
CHECK_SECONDS = 10.0
STEP_SECONDS = 1.0
"""What each piece of work on the repository takes here: a landing is several, a check is longer."""


async def slowly(work: Callable[[], T], /) -> T:
    """An offload that takes its time."""
    await trio.sleep(STEP_SECONDS)
    return work()


@define(eq=False)
class SlowChecks(FunctionChecks):
    """Remembers when each run began and ended, and calls what the test wants done soon after."""

    soon_after: dict[str, Callable[[], object]] = field(factory=dict)
    begun: list[tuple[str, float]] = field(factory=list)
    now: set[str] = field(factory=set)

    async def run(self, tree: Oid, folder: Path, subject: str) -> Verdict | NoVerdict:
        assert not self.now, "one at a time"
        self.begun.append((subject, trio.current_time()))
        self.now.add(subject)
        try:
            await trio.sleep(STEP_SECONDS / 2)
            self.soon_after.pop(subject, lambda: None)()
            await trio.sleep(CHECK_SECONDS - STEP_SECONDS / 2)
            return await super().run(tree, folder, subject)
        finally:
            self.now.remove(subject)


class FailingStore(VerdictStore):
    """Fails to store as often as it is told to, for each tree."""

    def __init__(self, stage: Stage, failures: int) -> None:
        super().__init__(stage.project.state_dir / "verdicts", fsync=False)
        self.failures = failures
        self.tried: list[Oid] = []

    def put(self, verdict: Verdict) -> None:
        self.tried.append(verdict.tree)
        if verdict.base is not None and self.tried.count(verdict.tree) <= self.failures:
            raise OSError(errno.EIO, "no luck")
        super().put(verdict)


@asynccontextmanager
async def queue(stage: Stage, store: VerdictStore | None = None) -> AsyncIterator[SlowChecks]:
    """A merge queue with three submissions, at work."""
    stage.tickets(**{f"area-{slug}": drafts(slug) for slug in SLUGS})
    for number, slug in enumerate(SLUGS, 1):
        stage.hand_in(t(number), {f"parts/{slug}.txt": f"good {slug}\n"})
    stage.offload = slowly
    stage.raise_curtain()
    stage.world.checks = checks = SlowChecks(stage.judge)
    verdicts = store or VerdictStore(stage.project.state_dir / "verdicts", fsync=False)
    spec = ChildSpec(
        id=MergeQueue.name,
        factory=partial(MergeQueue, stage.world, verdicts),
        mailbox_capacity=MAILBOX_CAPACITY,
    )
    async with Supervisor("all", events=stage.world.events) as supervisor:
        await supervisor.start_child(spec)
        yield checks


async def until_state(stage: Stage, slug: str, state: str) -> None:
    """Wait until a ticket is there."""
    with stage.world.events.subscribe(1000) as subscription:
        while stage.states()[slug] != state:
            await anext(subscription)


async def landing_times(stage: Stage, count: int) -> list[tuple[TicketId, float]]:
    """Wait for so many landings; which, and when."""
    found: list[tuple[TicketId, float]] = []
    with stage.world.events.subscribe(1000) as subscription:
        async for event in subscription:
            if isinstance(event, events.Landed):
                found.append((event.ticket, trio.current_time()))
            if len(found) == count:
                break
    return found


@pytest.mark.req("V1-22", "V1-23")
async def test_the_next_is_checked_while_one_lands(stage: Stage, autojump_clock: MockClock) -> None:
    async with queue(stage) as checks:
        landed = await landing_times(stage, 3)
    begun = dict(checks.begun)
    assert [ticket for ticket, _ in landed] == [t(1), t(2), t(3)]
    for (_, landed_at), following in zip(landed, (t(2), t(3)), strict=False):
        assert begun[following] < landed_at
    # No tree is checked twice, and each landing waits for no more than the check that is under way.
    assert [subject for subject, _ in checks.begun] == ["base", "0001", "0002", "0003"]
    apart = [later - earlier for (_, earlier), (_, later) in pairwise(landed)]
    assert max(apart) < CHECK_SECONDS + 6 * STEP_SECONDS
    stage.assert_sound()


@pytest.mark.req("V1-23")
@pytest.mark.parametrize("failures", [0, 1])
async def test_what_lands_has_its_verdict_stored(
    stage: Stage, autojump_clock: MockClock, failures: int
) -> None:
    """A crash just after a landing must not cost another run of the checks, though storing takes a while."""
    store = FailingStore(stage, failures)
    stored: list[bool] = []
    async with queue(stage, store) as checks:
        with stage.world.events.subscribe(1000) as subscription:
            async for event in subscription:
                if isinstance(event, events.Landed):
                    tree = Oid(stage.git("rev-parse", "main^{tree}"))
                    stored.append(store.get(tree, checks.key(tree)) is not None)
                if len(stored) == len(SLUGS):
                    break
    assert all(stored)
    # What was found ahead is stored in the end without another run; only the first was found in its turn.
    assert [subject for subject, _ in checks.begun].count("0002") == 1
    assert [subject for subject, _ in checks.begun].count("0003") == 1
    stage.assert_sound()


async def test_what_cannot_be_stored_does_not_land(stage: Stage, autojump_clock: MockClock) -> None:
    store = FailingStore(stage, 1000)
    before = stage.git("rev-parse", "main")
    async with queue(stage, store) as checks:
        await trio.sleep(60 * CHECK_SECONDS)
        assert checks.runs
    assert stage.git("rev-parse", "main") == before
    stage.assert_sound()


@pytest.mark.req("V1-26")
async def test_what_fails_ahead_is_run_again_in_its_turn_before_it_is_believed(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.judge = lambda folder: "both\n" if len(list((folder / "parts").glob("t[wh]*"))) == 2 else None
    async with queue(stage) as checks:
        await until_landed(stage, 2)
        await until_state(stage, "three", "open")
    # The base is asked too before a ticket is blamed.
    assert [subject for subject, _ in checks.begun] == ["base", "0001", "0002", "0003", "0003", "base"]
    assert stage.states() == {"one": "done", "two": "done", "three": "open"}
    stage.assert_sound()


@pytest.mark.req("V1-23")
async def test_on_a_base_that_others_have_moved_it_is_checked_again(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with queue(stage) as checks:
        checks.soon_after["0002"] = lambda: stage.commit({"by-hand.txt": "good\n"})
        await until_landed(stage, 3)
    tree = set(stage.git("ls-tree", "-r", "--name-only", "main").split())
    assert tree >= {"by-hand.txt", *(f"parts/{slug}.txt" for slug in SLUGS)}
    assert [subject for subject, _ in checks.begun].count("0002") == 2
    stage.assert_sound()


async def test_a_ticket_that_a_person_takes_away_meanwhile_is_not_checked_to_the_end(
    stage: Stage, autojump_clock: MockClock
) -> None:
    def park() -> None:
        stage.plan.repository.commit(ParkTicket(t(2), ReopenNote(reason="stopped-by-hand")))
        stage.world.news.publish()

    async with queue(stage) as checks:
        checks.soon_after["0002"] = park
        await until_state(stage, "three", "done")
    assert stage.states() == {"one": "done", "two": "stuck", "three": "done"}
    assert "0002" not in checks.runs
    stage.assert_sound()


async def test_nothing_is_checked_ahead_once_the_service_is_to_stop(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with queue(stage) as checks:
        checks.soon_after["0002"] = stage.world.stopping.set
        await until_landed(stage, 1)
        await trio.sleep(100)
        assert not checks.now
    assert "0002" not in checks.runs
    assert stage.states() == {"one": "done", "two": "in-progress", "three": "in-progress"}
    stage.assert_sound()
