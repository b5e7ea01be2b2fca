"""The remote: pushed to after each landing, followed when others have pushed, and never forced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pygit2
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.remote_link import EXCHANGE_SECONDS, RemoteStanding
from scriptorium.actors.tree import Report
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.code.remote import PushOutcome, Relation, Remote, RemoteFailed, open_remote
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.ids import Oid
from scriptorium.testing import listen

from .stage import Stage, drafts, good

pytestmark = pytest.mark.slow

T = TypeVar("T")
MAIN = "refs/heads/main"
PERSON = pygit2.Signature("B", "b@example.org", 1_700_000_001, 0)


@define(eq=False)
class Origin:
    """A bare repository as the remote `origin` of a stage, with faults: each call takes the next one."""

    stage: Stage
    real: Remote
    path: Path
    faults: list[str | None] = field(factory=list)
    refuses: str | None = None
    elsewhere: bool = False
    calls: list[tuple[str, float]] = field(factory=list)

    @classmethod
    def of(cls, stage: Stage, folder: Path) -> Origin:
        """A remote that has the base as it is now."""
        path = folder / "origin.git"
        pygit2.init_repository(str(path), bare=True)
        stage.git("remote", "add", "origin", str(path))
        stage.git("push", "-q", "origin", "main")
        stage.project.state_dir.mkdir(exist_ok=True)
        return cls(stage, open_remote(stage.project, "origin", "main"), path)

    async def run(self, **how: bool) -> Report:
        """One life of the stage with this remote."""
        self.stage.raise_curtain()
        self.stage.world.remote = self
        return await self.stage.run(new=False, **how)

    @property
    def name(self) -> str:
        return self.real.name

    @property
    def shown(self) -> str:
        return self.real.shown

    def tip(self) -> Oid | None:
        self._call("ask")
        return self.real.tip()

    def push(self, commit: Oid) -> PushOutcome:
        self._call("push")
        if self.refuses:
            raise RemoteFailed(self.refuses)
        return self.real.push(commit)

    def relation(self, base: Oid, tip: Oid) -> Relation:
        return self.real.relation(base, tip)

    def lacks(self, base: Oid, tip: Oid | None) -> int:
        return self.real.lacks(base, tip)

    def is_elsewhere(self) -> bool:
        return self.elsewhere

    def _call(self, what: str) -> None:
        self.calls.append((what, trio.current_time()))
        if self.faults and (fault := self.faults.pop(0)):
            raise RemoteFailed(fault)

    def called(self, what: str) -> list[float]:
        return [time for name, time in self.calls if name == what]

    # ---- the remote's side

    @property
    def at(self) -> Oid:
        return Oid(str(pygit2.Repository(str(self.path)).references[MAIN].target))

    def theirs(self, path: str = "theirs.txt", text: str = "theirs\n") -> Oid:
        """Somebody else's push."""
        repo = pygit2.Repository(str(self.path))
        index = pygit2.Index()
        index.read_tree(repo[self.at].peel(pygit2.Tree))
        index.add(pygit2.IndexEntry(path, repo.create_blob(text.encode()), pygit2.enums.FileMode.BLOB))
        tip: list[pygit2.Oid | str] = [self.at]
        return Oid(str(repo.create_commit(MAIN, PERSON, PERSON, "theirs", index.write_tree(repo), tip)))


@pytest.fixture
def origin(stage: Stage, tmp_path: Path) -> Origin:
    return Origin.of(stage, tmp_path)


def once(act: Callable[[], object]) -> Callable[[Path], None]:
    """A judge that acts at the first check that is not the base's, and finds everything green."""
    left = [None, act]

    def judge(_folder: Path) -> None:
        if left and (now := left.pop(0)) is not None:
            now()

    return judge


async def test_each_landing_is_pushed_before_it_is_idle(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one", "two"))
    assert (await origin.run()).leftovers == ()
    stage.assert_finished("one", "two")
    assert origin.at == stage.tip()
    assert stage.heard(events.PushedToRemote)[-1] == events.PushedToRemote("origin", "main", stage.tip())
    assert stage.world.conditions.lines() == ()
    assert stage.world.conditions.remote == RemoteStanding(
        "origin", "main", origin.at, is_known=True, base=origin.at
    )


async def test_what_others_pushed_comes_first_and_is_checked_like_a_moved_base(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    theirs = origin.theirs()
    stage.tickets(core=drafts("one"))
    await origin.run()
    stage.assert_finished("one")
    assert stage.git("rev-parse", "main^1").strip() == theirs
    assert (stage.root / "theirs.txt").read_text() == "theirs\n"
    assert origin.at == stage.tip()
    tree = pygit2.Repository(str(origin.path))[theirs].peel(pygit2.Tree).id
    assert tree in stage.checks.trees


async def test_what_was_pushed_just_before_costs_no_check_of_a_merge_that_cannot_land(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    async def last_minute(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        await trio.sleep(30)
        origin.theirs()
        return await good(job, submit)

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [last_minute]
    await origin.run()
    stage.assert_finished("one")
    assert stage.checks.runs == ["base", "base", "0001"]


async def test_what_is_pushed_while_nothing_lands_is_followed(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    await origin.run()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: origin.run(until_idle=False))
        await trio.sleep(1)
        theirs = origin.theirs()
        await trio.sleep(61)
        assert stage.tip() == theirs
        stage.stop.set()


async def test_uncommitted_work_makes_what_others_pushed_wait_and_it_goes_on_by_itself(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    (stage.root / "README.md").write_text("mine\n")
    theirs = origin.theirs("README.md", "theirs\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: origin.run(until_idle=False))
        await trio.sleep(5)
        (line,) = stage.world.conditions.lines()
        assert line.startswith(
            "landing blocked by README.md: what others have pushed waits; commit, stash or"
        )
        assert (stage.root / "README.md").read_text() == "mine\n"
        stage.git("checkout", "--", "README.md")
        await trio.sleep(5)
        assert stage.tip() == theirs
        assert stage.world.conditions.lines() == ()
        stage.stop.set()


async def test_a_push_during_long_checks_is_seen_before_landing(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    def others() -> None:
        origin.theirs()
        autojump_clock.jump(600)

    stage.judge = once(others)
    stage.tickets(core=drafts("one"))
    await origin.run()
    stage.assert_finished("one")
    assert origin.at == stage.tip()
    assert len(stage.landed()) == 1, "it was merged and checked again, on top of what others pushed"


async def test_when_both_have_gone_on_their_merge_lands_and_is_pushed(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    stage.judge = once(origin.theirs)
    stage.tickets(core=drafts("one"))
    assert (await origin.run()).leftovers == ()
    assert stage.states() == {"one": "done"}
    assert stage.landed()[-1] == "scriptorium: merge origin/main"
    assert origin.at == stage.tip()
    assert (stage.root / "theirs.txt").is_file()
    assert stage.git("status", "--porcelain") == ""
    assert stage.refs("refs/scriptorium/landing") == []


@pytest.mark.parametrize(
    "case",
    [
        ("parts/one.txt", "good theirs\n", "they do not merge (parts/one.txt)"),
        ("parts/theirs.txt", "bad\n", "their merge fails `function`"),
    ],
)
async def test_what_cannot_be_merged_waits_for_a_person_and_nothing_is_forced(
    stage: Stage, origin: Origin, autojump_clock: MockClock, case: tuple[str, str, str]
) -> None:
    path, text, why = case
    is_good, theirs = stage.judge, []
    others = once(lambda: theirs.append(origin.theirs(path, text)))

    def judge(folder: Path) -> object:
        others(folder)
        return is_good(folder)

    stage.judge = judge  # type: ignore[assignment]
    stage.tickets(core=drafts("one"))
    (line,) = (await origin.run()).leftovers
    assert line.startswith("not pushed: origin/main and main have gone apart since 2026-01-01T00:00:00Z: ")
    assert why in line
    assert f"git fetch origin && git merge {theirs[0]}" in line
    assert origin.at == theirs[0]
    ours = stage.tip()
    stage.tickets(docs=drafts("two"))
    await origin.run()
    assert stage.tip() == ours
    stage.git("merge", "-q", "-s", "ours", "-m", "by hand", theirs[0])
    assert (await origin.run()).leftovers == ()
    assert origin.at == stage.tip()
    assert stage.states() == {"one": "done", "two": "done"}


async def test_a_remote_that_cannot_be_reached_keeps_nothing_from_landing(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    origin.faults = ["no route to host"] * 8
    stage.tickets(core=drafts("one"))
    (line,) = (await origin.run()).leftovers
    assert line == (
        "not pushed: origin/main has not answered, since 2026-01-01T00:00:00Z: no route to host; "
        "it is tried again by itself"
    )
    assert stage.states() == {"one": "done"}
    assert stage.heard(events.RemoteTrouble) == [events.RemoteTrouble("origin", "no route to host")]
    assert len(origin.calls) >= 3, "a hiccup of some seconds does not end it"
    origin.faults = []
    assert (await origin.run()).leftovers == ()
    assert origin.at == stage.tip()


async def test_a_refused_push_is_tried_again_ever_more_rarely_until_it_is_taken(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    origin.refuses = "pre-receive hook declined"
    stage.tickets(core=drafts("one"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: origin.run(until_idle=False))
        await trio.sleep(3600)
        (line,) = stage.world.conditions.lines()
        assert line.startswith(
            "not pushed: origin/main lacks 2 commits, since 2026-01-01T00:00:00Z: pre-receive"
        )
        origin.refuses = None
        await trio.sleep(301)
        assert stage.world.conditions.lines() == ()
        stage.stop.set()
    assert origin.at == stage.tip()
    gaps = [
        later - earlier
        for earlier, later in zip(origin.called("push"), origin.called("push")[1:], strict=False)
    ]
    assert 2.5 <= gaps[0] <= 5.0
    assert all(gap <= 300.0 for gap in gaps)
    assert gaps[8] >= 150.0
    assert len(stage.heard(events.RemoteTrouble)) == 1


async def test_a_start_pushes_what_an_earlier_life_had_landed(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    await stage.run()
    assert origin.at != stage.tip()
    assert (await origin.run()).leftovers == ()
    assert origin.at == stage.tip()


async def test_a_base_that_is_not_green_is_not_pushed(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    before = origin.at
    stage.commit({"parts/mine.txt": "bad\n"})
    stage.tickets(core=drafts("one"))
    await origin.run()
    assert origin.at == before
    assert origin.called("push") == []


async def test_a_stop_does_not_wait_for_an_exchange(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    async def hang(_fn: Callable[[], T]) -> T:
        await trio.sleep_forever()
        raise AssertionError

    stage.raise_curtain()
    stage.world.remote, stage.world.background = origin, hang
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(EXCHANGE_SECONDS + 1)
        (line,) = stage.world.conditions.lines()
        assert "no end after 600 s" in line
        await trio.sleep(30)
        began = trio.current_time()
        stage.stop.set()
    assert trio.current_time() - began < 1.0


async def test_a_url_that_is_changed_meanwhile_is_said_once_and_not_obeyed(
    stage: Stage, origin: Origin, autojump_clock: MockClock
) -> None:
    origin.elsewhere = True
    stage.raise_curtain()
    stage.world.remote = origin
    async with trio.open_nursery() as nursery, listen(stage.world.events) as told:
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(200)
        stage.stop.set()
    said = [event for event in told.received if isinstance(event, events.RemoteTrouble)]
    (only,) = said
    assert "until the next start it is origin (" in only.reason
