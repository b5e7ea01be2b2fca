"""Checks that fail now and then: what is believed, who is blamed, and what is never run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.confirming import confirmed
from scriptorium.actors.world import NoVerdict
from scriptorium.code.evidence import Flake, Result, Verdict, VerdictStore, evidence_id
from scriptorium.code.flakes import read_flakes
from scriptorium.plan.ids import Oid
from scriptorium.testing.checks import KEY

from .stage import Stage, drafts, t, until_landed, writes

pytestmark = pytest.mark.slow

Said = str | NoVerdict | None


def verdict(result: Result, log: str = "") -> Verdict:
    return Verdict(Oid("a" * 40), "key", result, command="make test", exit_code=2, log=log)


RED, RED_AGAIN, GREEN = (
    verdict(Result.RED, "1.log"),
    verdict(Result.RED, "2.log"),
    Verdict(Oid("a" * 40), "key", Result.GREEN),
)
FLAKY = Verdict(Oid("a" * 40), "key", Result.GREEN, flake=Flake("make test", 2, "1.log"))
NONE = NoVerdict("the disk is full")


@pytest.mark.parametrize(
    ("outcomes", "reruns", "found"),
    [
        ([GREEN], 1, GREEN),
        ([NONE], 1, NONE),
        ([RED], 0, RED),
        ([RED, RED_AGAIN], 1, RED_AGAIN),
        ([RED, GREEN], 1, FLAKY),
        ([RED, NONE], 1, NONE),
        ([RED, RED_AGAIN, GREEN], 2, FLAKY),
        ([RED, RED_AGAIN, NONE], 5, NONE),
    ],
)
async def test_red_is_believed_when_it_came_again(
    outcomes: list[Verdict | NoVerdict], reruns: int, found: Verdict | NoVerdict
) -> None:
    left = iter(outcomes)

    async def run() -> Verdict | NoVerdict:
        await trio.lowlevel.checkpoint()
        return next(left)

    assert await confirmed(run, reruns) == found
    assert list(left) == []


def says(*answers: Said) -> Callable[[Path], Said]:
    """A check that answers so, run after run; more runs than answers are an error."""
    left: Iterator[Said] = iter(answers)
    return lambda _folder: next(left)


@pytest.mark.req("V1-26")
async def test_a_pass_after_a_failure_lands_and_is_kept_and_said(
    stage: Stage, autojump_clock: MockClock
) -> None:
    base = stage.tip()
    stage.judge = says(None, "lost the race\n", None)
    stage.tickets(core=drafts("one"))
    await stage.run()
    stage.assert_finished("one")
    assert stage.heard(events.FlakyCheck) == [events.FlakyCheck(t(1), "function", "")]
    kept = VerdictStore(stage.project.state_dir / "verdicts").get(
        Oid(stage.git("rev-parse", "main^{tree}")), KEY
    )
    assert kept is not None
    assert (kept.result, kept.flake, kept.base) == (Result.GREEN, Flake("function", 1), base)
    seen = read_flakes(stage.project.state_dir)
    assert (seen.count, [(flake.subject, flake.command) for flake in seen.last]) == (
        1,
        [("0001", "function")],
    )


@pytest.mark.parametrize(
    ("reruns", "runs"), [(0, ["base", "0001", "base"]), (3, ["base", *["0001"] * 4, "base"])]
)
async def test_how_often_a_failed_check_is_run_again_is_configured(
    stage: Stage, autojump_clock: MockClock, reruns: int, runs: list[str]
) -> None:
    stage.set(check_reruns=reruns, max_reopens=0)
    stage.cast.coding["one"] = [writes("parts/one.txt", "bad\n")]
    stage.tickets(core=drafts("one"))
    await stage.run()
    assert stage.states() == {"one": "stuck"}
    assert stage.checks.runs == runs


@pytest.mark.req("V1-26", "V1-28")
async def test_a_check_that_fails_on_the_base_too_blames_no_ticket_and_halts(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """Green, then the date changes: red on the ticket's tree and on the base, for an hour."""
    base = stage.tip()
    broken_until = 0.0

    def judge(folder: Path) -> Said:
        nonlocal broken_until
        if not broken_until and (folder / "parts/one.txt").exists():
            broken_until = trio.current_time() + 3600
        return "no such day\n" if trio.current_time() < broken_until else None

    stage.judge = judge
    stage.tickets(core=drafts("one"))
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(600)
        assert stage.checks.runs[:5] == ["base", "0001", "0001", "base", "base"]
        (line,) = stage.world.conditions.lines()
        assert line.startswith("base red since ")
        assert (stage.states(), stage.tip()) == ({"one": "in-progress"}, base)
        tree = Oid(stage.git("rev-parse", "main^{tree}"))
        kept = VerdictStore(stage.project.state_dir / "verdicts").get(tree, KEY)
        assert kept is not None
        assert kept.result is Result.RED
        await until_landed(stage, 1)
        stage.stop.set()
    stage.assert_sound()
    assert stage.file("one").ticket.reopens == ()
    said = [trouble.what for trouble in stage.heard(events.Trouble)]
    assert said == ["0001 fails its checks, but so does main now: it waits, blamed for nothing"]
    states = [event.state for event in stage.heard(events.BaseHealthChanged)]
    assert states == ["green", "red", "green"]


async def test_nobody_is_blamed_while_the_base_cannot_be_checked(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.judge = says(None, "red\n", "red\n", NONE, None)
    stage.tickets(core=drafts("one"))
    await stage.run()
    stage.assert_finished("one")
    assert stage.file("one").ticket.reopens == ()
    assert stage.checks.runs == ["base", "0001", "0001", "base", "0001"]


async def test_a_base_that_stumbles_once_is_still_green(stage: Stage, autojump_clock: MockClock) -> None:
    """The control is confirmed as any red is: the ticket is blamed, the base is not."""
    stage.set(max_reopens=0)
    stage.judge = says(None, "red\n", "red\n", "red\n", None)
    stage.tickets(core=drafts("one"))
    await stage.run()
    assert stage.states() == {"one": "stuck"}
    assert stage.world.conditions.lines() == ()
    assert [event.ticket for event in stage.heard(events.FlakyCheck)] == [None]
    assert read_flakes(stage.project.state_dir).last[0].subject == "base"


@pytest.mark.req("V1-27", "V1-25")
async def test_a_tree_once_green_is_never_checked_again(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the health gate, not by the queue when a landing is tried again, and not after a restart."""
    stage.tickets(core=drafts("one"))
    mine = stage.root / "parts/one.txt"
    mine.write_text("in the way\n")
    await stage.run()  # checked, and blocked
    assert stage.checks.runs == ["base", "0001"]
    await stage.run()  # a restart; it is tried, and blocked, again
    assert stage.checks.runs == []
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(600)
        mine.unlink()
        await until_landed(stage, 1)
        await trio.sleep(600)
        stage.stop.set()
    assert stage.checks.runs == []  # the queue's retry, and the gate for what has landed
    await stage.run()
    assert stage.checks.runs == []
    stage.assert_finished("one")
    store = VerdictStore(stage.project.state_dir / "verdicts")
    kept = store.get(Oid(stage.git("rev-parse", "main^{tree}")), KEY)
    assert kept is not None
    assert store.find(evidence_id(kept)) == kept
