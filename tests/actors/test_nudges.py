"""However often and from wherever the merge queue is nudged, it lands one ticket at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from scriptorium.actors.merge_queue import MergeQueue
from scriptorium.actors.messages import LookAgain
from scriptorium.actors.news import MAILBOX_CAPACITY
from scriptorium.actors.world import NoVerdict, World
from scriptorium.code.evidence import Result, Verdict, VerdictStore
from scriptorium.code.repository import open_repository
from scriptorium.plan.ids import Oid
from scriptorium.runtime import ChildSpec, MailboxFull, Ref, Supervisor
from scriptorium.testing import FunctionChecks

from .stage import Stage, drafts, no_error_report, t, until_landed

T = TypeVar("T")

SLUGS = ("one", "two", "three")
NUDGERS = 10
EVERY_SECONDS = 0.25
"""So that the nudges come in the middle of everything that takes time here."""


@define(eq=False)
class AtWork:
    """What is under way right now, and how much of it there ever was at one time."""

    now: int = 0
    most: int = 0
    begun: list[object] = field(factory=list)
    at_second: Callable[[], None] = lambda: None
    """Called in the middle of the second one."""

    @contextmanager
    def on(self, what: object) -> Iterator[None]:
        self.begun.append(what)
        self.now += 1
        self.most = max(self.most, self.now)
        if len(self.begun) == 2:
            self.at_second()
        try:
            yield
        finally:
            self.now -= 1


@define(eq=False)
class SlowChecks(FunctionChecks):
    """Green, after ten seconds."""

    at_work: AtWork = field(factory=AtWork)

    async def run(self, tree: Oid, folder: Path, subject: str) -> Verdict | NoVerdict:
        with self.at_work.on(tree):
            await trio.sleep(10)
        return Verdict(tree, self.key(tree), Result.GREEN)


@define(eq=False)
class SlowGit:
    """An offload that takes a second, like a thread on a busy machine: others run in the meantime.

    What has moved the base counts as a landing.
    """

    tip: Callable[[], str]
    landings: AtWork = field(factory=AtWork)

    async def __call__(self, work: Callable[[], T], /) -> T:
        await trio.sleep(0.5)
        before = self.tip()
        result = work()
        with trio.CancelScope(shield=True), ExitStack() as stack:
            if self.tip() != before:
                stack.enter_context(self.landings.on(self.tip()))
            await trio.sleep(0.5)
        return result


@define(eq=False)
class Nudged:
    """A merge queue with three submissions, and the ten who nudge it."""

    stage: Stage
    checks: SlowChecks
    git: SlowGit
    actors: list[MergeQueue] = field(factory=list)

    @property
    def world(self) -> World:
        return self.stage.world

    def make(self) -> MergeQueue:
        self.actors.append(MergeQueue(self.world, VerdictStore(self.stage.root / "verdicts", fsync=False)))
        return self.actors[-1]

    async def nudge(self, ref: Ref[LookAgain], number: int) -> None:
        """Each in its own way, all at the same moments: the news, a message, or the actor's own call."""
        while True:
            match number % 3:
                case 0:
                    self.world.news.publish()
                case 1:
                    with suppress(MailboxFull):
                        ref.tell_nowait(LookAgain())
                case _:
                    self.actors[-1].nudge()
            await trio.sleep(EVERY_SECONDS)


@asynccontextmanager
async def nudged(stage: Stage) -> AsyncIterator[Nudged]:
    """Everything running; the caller waits for what it wants."""
    stage.tickets(**{f"area-{slug}": drafts(slug) for slug in SLUGS})
    for number, slug in enumerate(SLUGS, 1):
        stage.hand_in(t(number), {f"parts/{slug}.txt": "good\n"})
    repository = open_repository(stage.project)
    git = SlowGit(lambda: str(repository.references["refs/heads/main"].target))
    stage.offload = git
    stage.raise_curtain()
    checks = SlowChecks()
    stage.world.checks = checks
    given = Nudged(stage, checks, git)
    spec = ChildSpec(id="merge-queue", factory=given.make, mailbox_capacity=MAILBOX_CAPACITY)
    async with trio.open_nursery() as nursery, Supervisor("all", events=stage.world.events) as supervisor:
        ref = await supervisor.start_child(spec)
        for number in range(NUDGERS):
            nursery.start_soon(given.nudge, ref, number)
        yield given
        nursery.cancel_scope.cancel()


def assert_one_at_a_time(given: Nudged) -> None:
    stage, checks = given.stage, given.checks
    assert (checks.at_work.most, given.git.landings.most) == (1, 1)
    assert len(given.git.landings.begun) == len(SLUGS)
    stage.assert_sound()
    assert stage.states() == dict.fromkeys(SLUGS, "done")
    assert len(stage.landed()) == len(SLUGS)
    steps = [words.split()[0] for words in stage.subjects() if words.startswith(("start ", "complete "))]
    assert steps == ["start", "complete"] * len(SLUGS)


@pytest.mark.req("V1-22")
async def test_ten_concurrent_nudges_never_start_two_landings(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with nudged(stage) as given:
        await until_landed(stage, len(SLUGS))
    assert_one_at_a_time(given)
    assert len(given.checks.at_work.begun) == len(SLUGS) + 1  # and the base; no tree twice


@pytest.mark.req("V1-22")
@pytest.mark.parametrize("middle", ["a check", "a landing"])
async def test_nor_when_the_queue_crashes_and_starts_again_in_the_middle(
    stage: Stage, autojump_clock: MockClock, middle: str
) -> None:
    async def crash() -> None:
        raise RuntimeError("made by the test")

    with no_error_report():
        async with nudged(stage) as given:
            under_way = given.checks.at_work if middle == "a check" else given.git.landings
            under_way.at_second = lambda: given.actors[-1].nursery.start_soon(crash)
            await until_landed(stage, len(SLUGS))
    assert len(given.actors) == 2
    assert_one_at_a_time(given)
