"""Actors that stay on one piece of work for too long."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorHung,
    ChildSpec,
    Context,
    Supervisor,
)
from scriptorium.runtime.hang import HangWatch, Progress

from .company import AT_ONCE, Company, Do, nothing


async def test_an_actor_that_hangs_is_cancelled_and_counts_as_crashed(
    company: Company, autojump_clock: MockClock
) -> None:
    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        ref = await supervisor.start_child(company.spec("a", hang_limit_seconds=8.0))
        await trio.sleep(100)
        assert await ref.ask(Do(nothing)) == "done"
        with pytest.raises(ActorHung, match="'a' made no progress for 8 s"):
            await ref.ask(Do(trio.sleep_forever))
        assert 108 <= trio.current_time() <= 110
        assert await ref.ask(Do(nothing)) == "done"
        assert ref.statistics().restarts == 1


async def test_slow_messages_within_the_limit_are_no_hang(
    company: Company, autojump_clock: MockClock
) -> None:
    async def slow() -> None:
        await trio.sleep(7.9)

    async with Supervisor("top") as supervisor:
        await supervisor.start_child(company.spec("unwatched"))
        ref = await supervisor.start_child(company.spec("a", hang_limit_seconds=8.0))
        for _ in range(20):
            ref.tell_nowait(Do(slow))
        await ref.ask(Do(slow))
        assert ref.statistics().handled == 21


async def test_a_start_that_hangs_fails(autojump_clock: MockClock) -> None:
    class NeverStarts(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            await trio.sleep_forever()

        async def handle(self, message: Do) -> None:
            raise AssertionError

    async with Supervisor("top") as supervisor:
        with pytest.raises(ActorHung):
            await supervisor.start_child(
                ChildSpec("never", NeverStarts, hang_limit_seconds=60.0, start_limit_seconds=None)
            )
        assert 60 <= trio.current_time() <= 75


async def test_the_start_and_the_first_message_are_two_pieces_of_work(autojump_clock: MockClock) -> None:
    class SlowAll(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            await trio.sleep(5)

        async def handle(self, message: Do) -> object:
            await trio.sleep(5)
            return await message.work()

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(ChildSpec("slow", SlowAll, hang_limit_seconds=8.0))
        assert await ref.ask(Do(nothing)) == "done"


class Watched:
    hang_limit_seconds: float | None = 10.0
    work: Progress | None = Progress(1, True, 0)

    def work_at_hand(self) -> Progress | None:
        return self.work

    def hung(self, limit_seconds: float) -> None:
        raise AssertionError


def test_each_piece_of_work_is_overdue_once() -> None:
    watch, child = HangWatch(), Watched()
    assert [watch.overdue([child], now) for now in (0.0, 9.9)] == [[], []]
    assert watch.overdue([child], 10.0) == [(child, 10.0)]
    assert watch.overdue([child], 30.0) == []
    child.work = Progress(1, True, 1)
    assert [watch.overdue([child], now) for now in (31.0, 40.9)] == [[], []]
    child.work = None
    assert watch.overdue([child], 41.0) == []
    child.work = Progress(1, True, 2)
    assert watch.overdue([child], 42.0) == []
    assert watch.overdue([child], 52.0) == [(child, 10.0)]


async def test_a_shorter_limit_that_comes_later_is_kept(company: Company, autojump_clock: MockClock) -> None:
    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        await supervisor.start_child(company.spec("patient", hang_limit_seconds=1e6))
        await wait_all_tasks_blocked()
        hasty = await supervisor.start_child(company.spec("hasty", hang_limit_seconds=1.0))
        with pytest.raises(ActorHung):
            await hasty.ask(Do(trio.sleep_forever))
        assert trio.current_time() <= 1.25
