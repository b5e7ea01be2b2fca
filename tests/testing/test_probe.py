"""A probe says what came, replies when it is told to, and complains in words that help."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    ActorStopped,
    ChildCrashed,
    EventStream,
    Intensity,
    Ref,
    Request,
    Supervisor,
)
from scriptorium.testing import Probe, listen, open_probe


@attrs.frozen
class Ping:
    number: int


@attrs.frozen
class Price(Request[int]):
    what: str


@attrs.define(eq=False)
class Asking:
    """Tasks that ask, and what they got."""

    nursery: trio.Nursery
    got: dict[str, object] = attrs.field(factory=dict)

    async def ask(self, ref: Ref[Any], what: str, **options: Any) -> None:
        async def run() -> None:
            try:
                self.got[what] = await ref.ask(Price(what), **options)
            except Exception as error:
                self.got[what] = error

        self.nursery.start_soon(run)
        await wait_all_tasks_blocked()


@asynccontextmanager
async def asking() -> AsyncIterator[Asking]:
    async with trio.open_nursery() as nursery:
        yield Asking(nursery)


# ---- what came


async def test_what_is_expected_may_be_a_type_a_value_or_a_predicate(autojump_clock: MockClock) -> None:
    async with open_probe() as probe:
        for number in range(5):
            await probe.ref.tell(Ping(number))
        first: Ping = await probe.expect(Ping)
        assert first == Ping(0)
        assert await probe.expect(Ping(1)) == Ping(1)
        assert await probe.expect(lambda message: message.number == 2) == Ping(2)
        assert await probe.expect(int | Ping) == Ping(3)
        assert await probe.expect() == Ping(4)
        await probe.expect_none(3600)
        assert probe.received == tuple(Ping(number) for number in range(5))


async def test_it_waits_for_what_comes_later_and_knows_when_it_came(autojump_clock: MockClock) -> None:
    async with open_probe() as probe, trio.open_nursery() as nursery:

        async def later() -> None:
            for number in range(2):
                await trio.sleep(2)
                await probe.ref.tell(Ping(number))

        nursery.start_soon(later)
        await probe.expect(Ping(0))
        await probe.expect(Ping(1))
        assert probe.times == (2, 4)


def is_round(message: object) -> bool:
    return False


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (int, "probe: expected int, but Ping(number=2) came; before that: Ping(number=1)"),
        (Ping(3), "probe: expected Ping(number=3), but Ping(number=2) came; before that: Ping(number=1)"),
        (is_round, "probe: expected a message that satisfies is_round, but Ping(number=2) came"),
        (int | str, "probe: expected one of int | str, but Ping(number=2) came"),
    ],
)
async def test_another_message_is_an_error_that_says_which(what: object, said: str) -> None:
    with pytest.raises(AssertionError) as caught:
        async with open_probe() as probe:
            await probe.ref.tell(Ping(1))
            await probe.ref.tell(Ping(2))
            await probe.expect(Ping)
            await probe.expect(what)
    assert str(caught.value).startswith(said)


async def test_no_message_is_an_error_that_says_what_came_before(autojump_clock: MockClock) -> None:
    async with open_probe("display") as probe:
        with pytest.raises(AssertionError, match=r"display: expected a message, but nothing .* 3 s$"):
            await probe.expect()
        for number in range(9):
            await probe.ref.tell(Ping(number))
            await probe.expect(Ping)
        with pytest.raises(AssertionError, match=r"nothing came within 9 s; before that: Ping\(number=4\), "):
            await probe.expect(str, within_seconds=9)
        assert trio.current_time() == 12


async def test_a_message_where_none_is_expected_is_an_error(autojump_clock: MockClock) -> None:
    async with open_probe() as probe, trio.open_nursery() as nursery:
        await probe.ref.tell(Ping(1))
        with pytest.raises(AssertionError, match=r"expected nothing for 5 s, but Ping\(number=1\) came$"):
            await probe.expect_none(5)

        async def later() -> None:
            await trio.sleep(4)
            await probe.ref.tell(Ping(2))

        nursery.start_soon(later)
        with pytest.raises(AssertionError, match=r"but Ping\(number=2\) came; before that: Ping\(number=1\)"):
            await probe.expect_none(5)
        await probe.ref.tell(Ping(3))
        await wait_all_tasks_blocked()
        probe.forget()
        await probe.expect_none(5)
        assert len(probe.received) == 3


async def test_a_cancelled_wait_takes_nothing() -> None:
    async with open_probe() as probe:
        with trio.move_on_after(0):
            await probe.expect(Ping)
        await probe.ref.tell(Ping(1))
        await probe.expect(Ping(1))


# ---- replies


async def test_replies_come_when_the_test_says_so_and_in_any_order(autojump_clock: MockClock) -> None:
    async with asking() as tasks, open_probe() as probe:
        for what in ("pen", "ink", "paper"):
            await tasks.ask(probe.ref, what)
        await probe.ref.tell(Ping(1))
        requests = [await probe.expect(Price) for _ in range(3)]
        await probe.expect(Ping)  # though three requests wait
        await trio.sleep(3600)
        assert tasks.got == {}
        probe.reply(2, to=requests[1])
        await wait_all_tasks_blocked()
        assert tasks.got == {"ink": 2}
        probe.reply(3, to=requests[2])
        probe.reply(1, to=requests[0])
        await wait_all_tasks_blocked()
        assert tasks.got == {"ink": 2, "paper": 3, "pen": 1}
        assert len(probe.received) == 4


async def test_a_reply_is_for_the_request_that_was_expected_last(autojump_clock: MockClock) -> None:
    async with asking() as tasks, open_probe() as probe:
        await tasks.ask(probe.ref, "left unanswered", timeout_seconds=1)
        await probe.expect(Price)
        await trio.sleep(2)
        await tasks.ask(probe.ref, "pen")
        await probe.expect(Price("pen"))
        probe.reply(7)
        await wait_all_tasks_blocked()
        assert tasks.got["pen"] == 7
        assert isinstance(tasks.got["left unanswered"], trio.TooSlowError)


async def test_a_reply_to_nothing_is_an_error_that_says_what_waits() -> None:
    async with asking() as tasks, open_probe() as probe:
        with pytest.raises(AssertionError, match=r"None is no request that waits for a reply; .* none"):
            probe.reply(1)
        await tasks.ask(probe.ref, "pen")
        await tasks.ask(probe.ref, "ink")
        await probe.expect(Price("pen"))
        probe.reply(1)
        with pytest.raises(AssertionError, match=r"Price\(what='pen'\) is no .*: Price\(what='ink'\)$"):
            probe.reply(1)
    assert tasks.got["pen"] == 1
    assert isinstance(tasks.got["ink"], ActorStopped)


async def test_it_can_fail_and_still_owes_the_others(autojump_clock: MockClock) -> None:
    events = EventStream()
    probe = Probe("shop")
    async with (
        Supervisor("town", events=events, intensity=Intensity(5)) as supervisor,
        listen(events, ChildCrashed) as heard,
        asking() as tasks,
    ):
        with pytest.raises(RuntimeError, match="shop has no actor yet"):
            await probe.ref.tell(Ping(1))
        await supervisor.start_child(probe.spec())
        for what in ("pen", "ink", "paper", "glue"):
            await tasks.ask(probe.ref, what)
        first, second, third, fourth = [await probe.expect(Price) for _ in range(4)]
        probe.fail(OSError("fire"), to=second)
        await wait_all_tasks_blocked()
        probe.reply(1, to=first)  # while it waits for its restart
        assert (await heard.expect(ChildCrashed)).child == "shop"
        await trio.sleep(60)
        await probe.ref.tell(Ping(1))
        await probe.expect(Ping)
        probe.reply(3, to=third)
        await wait_all_tasks_blocked()
        probe.fail(OSError("flood"), to=fourth)
        await trio.sleep(60)
        assert {what: str(got) for what, got in tasks.got.items()} == {
            "pen": "1",
            "ink": "fire",
            "paper": "3",
            "glue": "flood",
        }
        assert probe.ref.statistics().restarts == 2


async def test_a_probe_of_its_own_may_fail_as_often_as_it_likes(autojump_clock: MockClock) -> None:
    async with asking() as tasks, open_probe() as probe:
        for number in range(50):
            await tasks.ask(probe.ref, str(number))
            await probe.expect(Price)
            probe.fail(ValueError(number))
        await wait_all_tasks_blocked()
        assert probe.ref.statistics().restarts == 50
        assert len(tasks.got) == 50


# ---- events


async def test_events_are_listened_to(autojump_clock: MockClock) -> None:
    events = EventStream()
    events.publish("before")
    async with listen(events) as all_of_them, listen(events, int) as numbers:
        events.publish("a")
        events.publish(1)
        assert await numbers.expect(1) == 1
        assert await all_of_them.expect(str) == "a"
        for number in range(2, 6):
            events.publish(number)
    events.publish("after")
    assert all_of_them.received == ("a", *range(1, 6))  # also what nobody has had the time to take
    assert numbers.received == tuple(range(1, 6))


async def test_an_error_in_the_block_comes_out_as_it_is(autojump_clock: MockClock) -> None:
    events = EventStream()
    with pytest.raises(AssertionError, match="the event stream: expected int, but nothing came"):
        async with listen(events) as heard, open_probe():
            await heard.expect(int)
