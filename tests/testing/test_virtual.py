"""Virtual time costs nothing, and a seed decides who runs when: the same again, or another order."""

from __future__ import annotations

import threading
from random import Random

import pytest
import trio
from trio.testing import MockClock

from scriptorium.runtime import in_thread, inline
from scriptorium.testing import START, deterministic_scheduling, run_random, run_virtual, virtual_now

SCHEDULER = trio._core._run
SOURCE: Random = SCHEDULER._r


@pytest.fixture(params=[False, True], ids=["as trio comes", "as hypothesis leaves it"])
def switch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """trio as it comes has no order to be repeated; hypothesis, where it is installed, changes that."""
    monkeypatch.setattr(SCHEDULER, "_ALLOW_DETERMINISTIC_SCHEDULING", request.param)
    return bool(request.param)


async def interleaving() -> str:
    """Who had the turns, of four tasks that could all go on all the time."""
    turns: list[str] = []

    async def take_turns(name: str) -> None:
        for _ in range(6):
            turns.append(name)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for name in "abcd":
            nursery.start_soon(take_turns, name)
    return "".join(turns)


def test_the_same_seed_is_the_same_order_and_another_seed_is_another(switch: bool) -> None:
    orders = {seed: run_virtual(interleaving, seed=seed) for seed in range(20)}
    assert len(set(orders.values())) == 20
    assert orders == {seed: run_virtual(interleaving, seed=seed) for seed in range(20)}


def test_afterwards_trio_is_as_it_was_whatever_happened(switch: bool) -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("from inside")

    before = SOURCE.getstate()
    run_virtual(interleaving, seed=1)
    with pytest.raises(ValueError, match="from inside"):
        run_virtual(fail, seed=1)
    assert SOURCE.getstate() == before
    assert SCHEDULER._ALLOW_DETERMINISTIC_SCHEDULING is switch


def test_hours_pass_in_no_time_and_the_clock_begins_at_zero() -> None:
    async def work(hours: float) -> tuple[float, float]:
        began = trio.current_time()
        await trio.sleep(hours * 3600)
        return began, trio.current_time()

    assert run_virtual(work, 24.0) == (0.0, 24 * 3600.0)


def test_a_second_run_with_a_seed_beside_the_first_is_refused() -> None:
    with deterministic_scheduling(1):
        with pytest.raises(RuntimeError, match="another run with a seed is under way"):
            run_virtual(interleaving, seed=2)
        assert run_virtual(interleaving)  # without a seed it takes its turns from the first's source
    run_virtual(interleaving, seed=2)


@pytest.mark.parametrize("name", ["_r", "_ALLOW_DETERMINISTIC_SCHEDULING"])
def test_another_trio_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(SCHEDULER, name)
    with pytest.raises(RuntimeError, match=rf"trio {trio.__version__} has no scheduler .* without a seed"):
        run_virtual(interleaving, seed=1)


# ---- randomness


async def draws() -> list[float]:
    return [run_random("a").random(), run_random("b").random(), run_random("a").random()]


def test_randomness_follows_from_the_seed_and_the_name() -> None:
    first = run_virtual(draws, seed=1)
    assert run_virtual(draws, seed=1) == first
    assert run_virtual(draws, seed=2) != first
    assert len(set(first)) == 3

    async def only_b() -> float:
        return run_random("b").random()

    assert run_virtual(only_b, seed=1) == first[1]


def test_without_a_seed_randomness_is_random() -> None:
    assert run_virtual(draws) != run_virtual(draws)
    assert trio.run(draws) != trio.run(draws)
    with pytest.raises(RuntimeError):
        run_random()


# ---- the time of day


def test_the_time_of_day_is_virtual_where_time_is() -> None:
    async def later() -> float:
        await trio.sleep(90)
        return (virtual_now() - START).total_seconds()

    assert run_virtual(later) == 90

    async def real() -> bool:
        return virtual_now() > START

    assert trio.run(real)
    assert virtual_now() > START


# ---- threads


def test_the_clock_does_not_wait_for_a_thread_and_does_for_the_inline_offload() -> None:
    """What the documentation warns of: the loop cannot know that a thread is at work."""

    async def with_thread() -> float:
        go_on = threading.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, go_on.wait)
            await trio.sleep(3600)  # over at once, while the thread works
            go_on.set()
        return trio.current_time()

    async def with_inline() -> float:
        with trio.move_on_after(3600):
            await inline(threading.Event)
        return trio.current_time()

    assert run_virtual(with_thread) == 3600
    assert run_virtual(with_inline) == 0


def test_the_clock_is_the_mock_clock_that_tests_know() -> None:
    async def clock() -> object:
        return trio.lowlevel.current_clock()

    assert isinstance(run_virtual(clock), MockClock)
