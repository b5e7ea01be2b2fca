"""An ask always ends: reply, callee's error, ActorStopped, timeout, or the caller's cancellation."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorStopped,
    AskCycle,
    Backoff,
    ChildSpec,
    Context,
    Ref,
    Request,
    Restart,
    StopKind,
    Supervisor,
)


@attrs.frozen
class Do(Request[Any]):
    work: Callable[[], Awaitable[object]]


class Servant(Actor[Do]):
    async def handle(self, message: Do) -> object:
        return await message.work()


async def answer() -> str:
    await trio.lowlevel.checkpoint()
    return "answer"


async def fail() -> None:
    await trio.lowlevel.checkpoint()
    raise ValueError("asked for it")


def servant(**options: Any) -> ChildSpec[Do]:
    return ChildSpec("servant", Servant, **options)


async def test_the_reply() -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(servant())
        assert await ref.ask(Do(answer)) == "answer"


async def test_the_error_of_the_callee_and_then_the_next_incarnation() -> None:
    async with Supervisor("top", backoff=Backoff(0)) as supervisor:
        ref = await supervisor.start_child(servant())
        with pytest.raises(ValueError, match="asked for it"):
            await ref.ask(Do(fail))
        assert await ref.ask(Do(answer)) == "answer"
        assert ref.statistics().restarts == 1


async def test_an_error_in_a_background_task_reaches_the_asker() -> None:
    class Host(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            self.nursery = context.nursery

        async def handle(self, message: Do) -> None:
            self.nursery.start_soon(message.work)
            await trio.sleep_forever()

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(ChildSpec("host", Host))
        with pytest.raises(ValueError, match="asked for it"):
            await ref.ask(Do(fail))


async def test_asks_in_the_mailbox_of_a_stopped_actor_end(nursery: trio.Nursery) -> None:
    ends: list[ActorStopped] = []

    async def ask(ref: Ref[Do]) -> None:
        with pytest.raises(ActorStopped) as stopped:
            await ref.ask(Do(answer))
        ends.append(stopped.value)

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(servant(mailbox_capacity=2, stop_grace_seconds=0))
        await ref.tell(Do(trio.sleep_forever))
        await wait_all_tasks_blocked()
        for _ in range(5):  # two in the mailbox, three wait for room
            nursery.start_soon(ask, ref)
        await wait_all_tasks_blocked()
        await supervisor.stop_child("servant")
        await wait_all_tasks_blocked()
    assert [end.reason.kind for end in ends] == [StopKind.SHUTDOWN] * 5
    with pytest.raises(ActorStopped):
        await ref.ask(Do(answer))


async def test_the_ask_in_hand_at_a_forced_stop_ends(nursery: trio.Nursery) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(servant(stop_grace_seconds=0))
        nursery.start_soon(supervisor.stop_child, "servant")
        with pytest.raises(ActorStopped):
            await ref.ask(Do(trio.sleep_forever))


@pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TEMPORARY])
async def test_callee_killed_at_every_await_point(restart: Restart, autojump_clock: MockClock) -> None:
    """The callee crashes, in the background, after so many scheduler steps of the ask."""

    class Mortal(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            self.context = context

        async def handle(self, message: Do) -> object:
            return await message.work()

    async def steps_then(end: Callable[[], None], steps: int) -> None:
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        end()

    def die() -> None:
        raise ValueError("killed")

    async def several_awaits() -> str:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        return "answer"

    outcomes: list[str] = []
    for steps in range(8):
        mortals: list[Mortal] = []

        def make(mortals: list[Mortal] = mortals) -> Mortal:
            mortals.append(Mortal())
            return mortals[-1]

        async with Supervisor("top") as supervisor:
            ref = await supervisor.start_child(ChildSpec("mortal", make, restart))
            mortals[0].context.nursery.start_soon(steps_then, die, steps)
            try:
                outcomes.append(await ref.ask(Do(several_awaits)))
            except (ValueError, ActorStopped) as error:
                outcomes.append(type(error).__name__)
    assert "answer" in outcomes
    assert "ValueError" in outcomes
    assert len(outcomes) == 8


@pytest.mark.parametrize("steps", range(6))
async def test_asker_cancelled_at_every_await_point(steps: int) -> None:
    handled: list[int] = []

    async def work() -> str:
        await trio.lowlevel.checkpoint()
        handled.append(1)
        return "late"

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(servant())
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def cancel() -> None:
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                nursery.start_soon(cancel)
                await ref.ask(Do(work))
                nursery.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        assert len(handled) <= 1
        assert await ref.ask(Do(answer)) == "answer"
        assert ref.statistics().dead_letters == 0


async def test_an_ask_that_is_already_cancelled_sends_nothing() -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(servant())
        with trio.CancelScope() as scope:
            scope.cancel()
            await ref.ask(Do(answer))
        assert scope.cancelled_caught
        await wait_all_tasks_blocked()
        assert ref.statistics().handled == 0


async def test_the_timeout_and_the_late_reply(autojump_clock: MockClock) -> None:
    async def slow() -> str:
        await trio.sleep(10)
        return "late"

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(servant())
        with pytest.raises(trio.TooSlowError):
            await ref.ask(Do(slow), timeout_seconds=4)
        assert trio.current_time() == pytest.approx(4)
        assert await ref.ask(Do(answer)) == "answer"
        assert ref.statistics().handled == 2


async def test_the_timeout_includes_the_wait_for_room(autojump_clock: MockClock) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(servant(mailbox_capacity=1, stop_grace_seconds=0))
        await ref.tell(Do(trio.sleep_forever))
        await wait_all_tasks_blocked()
        await ref.tell(Do(answer))
        with pytest.raises(trio.TooSlowError):
            await ref.ask(Do(answer), timeout_seconds=1)
        assert ref.statistics().tasks_waiting_send == 0


async def test_an_ask_waits_through_a_restart(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    replies: list[object] = []

    async def ask(ref: Ref[Do]) -> None:
        replies.append(await ref.ask(Do(answer)))

    async with Supervisor("top", backoff=Backoff(5.0)) as supervisor:
        ref = await supervisor.start_child(servant())
        ref.tell_nowait(Do(fail))
        nursery.start_soon(ask, ref)
        await wait_all_tasks_blocked()
        assert ref.statistics().state.value == "restarting"
        await trio.sleep(5)
    assert replies == ["answer"]


async def test_a_reply_that_is_settled_while_the_asker_waited_for_room(nursery: trio.Nursery) -> None:
    release = trio.Event()
    replies: list[object] = []

    async def quick() -> str:
        return "quick"

    async def ask(ref: Ref[Do]) -> None:
        replies.append(await ref.ask(Do(quick)))

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(servant(mailbox_capacity=1))
        await ref.tell(Do(release.wait))
        await wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(ask, ref)
        await wait_all_tasks_blocked()
        release.set()
        await wait_all_tasks_blocked()
    assert replies == ["quick"] * 3


async def test_actors_that_would_wait_for_each_other_are_told(nursery: trio.Nursery) -> None:
    async with Supervisor("top", backoff=Backoff(0)) as supervisor:
        a = await supervisor.start_child(ChildSpec("a", Servant))
        b = await supervisor.start_child(ChildSpec("b", Servant))

        async def ask_oneself() -> object:
            return await a.ask(Do(answer))

        with pytest.raises(AskCycle, match="a asks a"):
            await a.ask(Do(ask_oneself))

        async def ask_a() -> object:
            return await a.ask(Do(answer))

        async def ask_b() -> object:
            return await b.ask(Do(ask_a))

        with pytest.raises(AskCycle, match="b asks a asks b"):
            await a.ask(Do(ask_b))
        assert await a.ask(Do(answer)) == await b.ask(Do(ask_a)) == "answer"
