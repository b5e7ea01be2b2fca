"""A look into an actor comes before its messages, and costs it nothing."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorState,
    Backoff,
    ChildSpec,
    Context,
    Inspection,
    Ref,
    Supervisor,
)

from .clerk import Diary, Do, Note, clerk, crash, until


async def test_inspect_comes_before_the_messages_that_wait(nursery: trio.Nursery) -> None:
    diary, release = Diary(), trio.Event()
    seen: list[Inspection] = []

    async def inspect(ref: Ref[Do | Note]) -> None:
        seen.append(await ref.inspect())

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        for number in range(200):
            await ref.tell(Note(str(number)))
        nursery.start_soon(inspect, ref)
        await wait_all_tasks_blocked()
        release.set()
        await wait_all_tasks_blocked()
        (inspection,) = seen
        assert inspection.statistics.handled == 1
        assert inspection.statistics.mailbox_length == 200
        assert not inspection.statistics.busy
        assert ref.statistics().handled == 201


async def test_inspect_answers_an_idle_and_a_suspended_actor() -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        state = (await ref.inspect()).state
        assert isinstance(state, dict)
        assert state["diary"].startswith("Diary(lines=['start']")
        await ref.suspend()
        await ref.tell(Note("waits"))
        inspection = await ref.inspect()
        assert (inspection.statistics.suspended, inspection.statistics.mailbox_length) == (True, 1)
        assert diary.lines == ["start"]


class Counter(Actor[int]):
    total = 0

    async def on_start(self, context: Context[int]) -> None:
        await trio.sleep(3)

    async def handle(self, message: int) -> None:
        self.total += message
        if message < 0:
            raise ValueError("negative")

    def inspect(self) -> object:
        if self.total > 100:
            raise LookupError("too much to show")
        return {"total": self.total}


async def test_the_actor_says_what_it_shows_and_its_error_is_the_askers(autojump_clock: MockClock) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(ChildSpec("counter", Counter))
        await ref.tell(7)
        await wait_all_tasks_blocked()
        assert (await ref.inspect()).state == {"total": 7}
        await ref.tell(100)
        await wait_all_tasks_blocked()
        with pytest.raises(LookupError, match="too much to show"):
            await ref.inspect()
        assert ref.statistics().restarts == 0


async def test_inspect_waits_through_a_restart(autojump_clock: MockClock) -> None:
    async with Supervisor("top", backoff=Backoff(5.0)) as supervisor:
        ref = await supervisor.start_child(ChildSpec("counter", Counter))
        await ref.tell(-1)
        await ref.tell(5)
        await wait_all_tasks_blocked()
        assert ref.statistics().state is ActorState.RESTARTING
        inspection = await ref.inspect()
        assert (inspection.state, inspection.statistics.incarnation) == ({"total": 0}, 2)
        await wait_all_tasks_blocked()
        assert (await ref.inspect()).state == {"total": 5}


async def test_cancelled_inspections_leave_nothing_behind() -> None:
    diary, release = Diary(), trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        for _ in range(3):
            with trio.move_on_after(0):
                await ref.inspect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.inspect)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        release.set()
        assert (await ref.inspect()).statistics.handled == 1


async def test_uptime_is_that_of_the_incarnation(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        await trio.sleep(30)
        assert ref.statistics().uptime_seconds == pytest.approx(30)
        with pytest.raises(ValueError, match="crash"):
            await ref.ask(Do(crash))
        await trio.sleep(2)
        assert ref.statistics().uptime_seconds == pytest.approx(2)
    assert ref.statistics().uptime_seconds == 0
