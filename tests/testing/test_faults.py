"""Faults strike whom, what and when they are told to, follow from their seed, and end with their block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    Backoff,
    ChildSpec,
    DeadLetterCause,
    DeadLetters,
    MessageDropped,
    Ref,
    Request,
    Supervisor,
)
from scriptorium.testing import (
    FaultKind,
    Faults,
    FaultStatistics,
    Inbox,
    Injected,
    InjectedFault,
    Probe,
    When,
    listen,
    open_probe,
    run_virtual,
)

AT_ONCE = Backoff(first_seconds=0.0)


class Length(Request[int]):
    """Asks an Echo how much it has heard."""


class Echo(Actor[int | Length]):
    """Tells somebody what it is told."""

    def __init__(self, to: Ref[int]) -> None:
        self.to = to
        self.heard = 0

    async def handle(self, message: int | Length) -> int:
        if isinstance(message, int):
            self.heard += 1
            await self.to.tell(message)
        return self.heard


@asynccontextmanager
async def town() -> AsyncIterator[tuple[Ref[int | Length], Probe, Inbox]]:
    """An echo, the probe that it tells what it is told, and what becomes of letters."""
    async with (
        open_probe() as probe,
        Supervisor("town", backoff=AT_ONCE) as supervisor,
        listen(supervisor.events, DeadLetters) as letters,
    ):
        yield await supervisor.start_child(ChildSpec("echo", lambda: Echo(probe.ref))), probe, letters


async def test_each_kind_of_fault_does_what_it_says(autojump_clock: MockClock) -> None:
    async with town() as (echo, probe, letters):
        with Faults(seed=1) as faults:
            faults.drop(echo, 1)
            faults.duplicate(echo, 2)
            faults.delay(echo, 3, seconds=60)
            faults.crash(echo, 4, error=lambda: OSError("no disk"))
            for number in range(1, 6):
                await echo.tell(number)
            await trio.sleep(3600)
        assert list(zip(probe.received, probe.times, strict=True)) == [(2, 0), (2, 0), (5, 0), (3, 60)]
        assert (await letters.expect(DeadLetters)).cause is DeadLetterCause.INJECTED
        assert (await letters.expect(DeadLetters)).cause is DeadLetterCause.CRASH
        assert echo.statistics().last_error == "OSError: no disk"
        assert faults.statistics() == FaultStatistics(seen=5, dropped=1, duplicated=1, delayed=1, crashed=1)
        kinds = (FaultKind.DROP, FaultKind.DUPLICATE, FaultKind.DELAY, FaultKind.CRASH)
        assert faults.injected == tuple(Injected("echo", kind, n) for n, kind in enumerate(kinds, 1))
        assert str(faults.injected[0]) == "dropped on its way to echo: 1"


async def test_whoever_asked_hears_of_a_fault(autojump_clock: MockClock) -> None:
    async with town() as (echo, _, _):
        with Faults(seed=1) as faults:
            faults.drop(echo, Length, numbers=[1])
            faults.crash(echo, Length, numbers=[2])
            faults.delay(echo, Length, numbers=[3, 4], seconds=60)
            with pytest.raises(MessageDropped):
                await echo.ask(Length())
            with pytest.raises(InjectedFault, match=r"injected into <.*Length object"):
                await echo.ask(Length())
            with pytest.raises(trio.TooSlowError):
                await echo.ask(Length(), timeout_seconds=59)
            assert await echo.ask(Length(), timeout_seconds=61) == 0


@pytest.mark.parametrize(
    ("when", "struck"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"numbers": [2, 4]}, [2, 4]),
        ({"numbers": range(1, 100), "at_most": 3}, [1, 2, 3]),
        ({"at_most": 1}, [1]),
        ({"probability": 0.0}, []),
    ],
)
async def test_it_strikes_when_it_is_told_to(when: When, struck: list[int]) -> None:
    async with town() as (echo, _, _):
        with Faults(seed=1) as faults:
            faults.drop(echo, int, **when)
            for number in range(1, 6):
                await echo.ask(Length())  # not what the rule is about, and not counted by it
                await echo.tell(number)
            assert [one.message for one in faults.injected] == struck


async def test_the_first_rule_that_strikes_does_and_the_others_count_all_the_same() -> None:
    async with town() as (echo, _, _):
        with Faults(seed=1) as faults:
            faults.drop(echo, int, numbers=[1])
            faults.duplicate(echo, int, numbers=[1, 2])
            for number in range(3):
                await echo.tell(number)
            assert [(one.kind.value, one.message) for one in faults.injected] == [
                ("dropped", 0),
                ("duplicated", 1),
            ]


def test_a_probability_is_one() -> None:
    async def add() -> None:
        async with open_probe() as probe:
            with pytest.raises(ValueError, match="from 0 to 1, not 10"):
                Faults(1).drop(probe.ref, probability=10)
            await probe.ref.tell(1)
            await probe.expect(1)

    run_virtual(add)


# ---- the seed


async def struck_by_chance(seed: int | None, *, more: bool = False) -> tuple[object, ...]:
    """Which of a hundred messages are lost."""
    async with open_probe() as probe:
        with Faults(seed) as faults:
            faults.drop(probe.ref, int, probability=0.2)
            if more:
                faults.duplicate(probe.ref, int, probability=0.5)
            for number in range(100):
                await probe.ref.tell(number)
            return tuple(one.message for one in faults.injected if one.kind is FaultKind.DROP)


def test_chance_follows_from_the_seed_and_nothing_else() -> None:
    first = run_virtual(struck_by_chance, 1)
    assert 5 <= len(first) <= 35
    assert run_virtual(struck_by_chance, 1, seed=5) == first
    assert run_virtual(partial(struck_by_chance, 1, more=True)) == first
    assert run_virtual(struck_by_chance, 2) != first


def test_without_a_seed_it_is_the_seed_of_the_run() -> None:
    first = run_virtual(struck_by_chance, None, seed=1)
    assert run_virtual(struck_by_chance, None, seed=1) == first
    assert run_virtual(struck_by_chance, None, seed=2) != first

    async def drawn() -> int:
        return Faults().seed

    seed = run_virtual(drawn, seed=1)
    assert run_virtual(struck_by_chance, seed) == first  # what `seed` tells can be given again


# ---- the end


async def test_after_the_block_nothing_is_struck(autojump_clock: MockClock) -> None:
    async with town() as (echo, probe, _):
        with Faults(seed=1) as faults:
            faults.drop(echo)
            faults.drop(probe.ref)
            await echo.tell(1)
            faults.clear(echo)
            await echo.tell(2)
            await wait_all_tasks_blocked()
            assert (echo.statistics().handled, probe.received) == (1, ())
            faults.clear(echo)  # again is no error
        await echo.tell(3)
        await probe.expect(3)
        await probe.expect_none()
