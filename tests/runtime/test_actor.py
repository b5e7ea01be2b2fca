"""One actor's life: start, messages, background tasks, and the orderly stop."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorState,
    ActorStopped,
    ChildSpec,
    ChildStopped,
    Context,
    DeadLetterCause,
    DeadLetters,
    EventStream,
    MailboxFull,
    Request,
    Restart,
    StopKind,
    StopReason,
    Supervisor,
)

Diary = list[str]


@attrs.frozen
class Do(Request[Any]):
    """A message that brings its own handling."""

    work: Callable[[], Awaitable[object]]


@attrs.frozen
class Note:
    text: str


class Writer(Actor[Do | Note]):
    """Writes down what happens to it."""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    async def on_start(self, context: Context[Do | Note]) -> None:
        self.context = context
        self.diary.append("start")

    async def handle(self, message: Do | Note) -> object:
        match message:
            case Do(work):
                return await work()
            case Note(text):
                self.diary.append(text)
                return None

    async def on_stop(self) -> None:
        self.diary.append("stop")


@pytest.fixture
def diary() -> Diary:
    return []


def writer(diary: Diary, **options: Any) -> ChildSpec[Do | Note]:
    return ChildSpec("writer", lambda: Writer(diary), **options)


async def test_messages_are_handled_one_at_a_time_in_order(diary: Diary) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(writer(diary))
        assert diary == ["start"]
        for number in range(200):
            await ref.tell(Note(str(number)))
        await wait_all_tasks_blocked()
        assert diary[1:] == [str(number) for number in range(200)]
        assert ref.statistics().handled == 200
    assert diary[-1] == "stop"


async def test_statistics_show_the_actor_at_work(diary: Diary) -> None:
    release = trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(writer(diary, mailbox_capacity=3))
        await ref.tell(Do(release.wait))
        await wait_all_tasks_blocked()
        await ref.tell(Note("queued"))
        seen = ref.statistics()
        assert (seen.name, seen.state, seen.busy) == ("writer", ActorState.RUNNING, True)
        assert (seen.mailbox_length, seen.mailbox_capacity, seen.handled) == (1, 3, 0)
        assert (seen.incarnation, seen.restarts, seen.dead_letters, seen.last_error) == (1, 0, 0, None)
        assert supervisor.children() == (seen,)
        release.set()
        await wait_all_tasks_blocked()
        assert (ref.statistics().busy, ref.statistics().handled) == (False, 2)
    assert ref.statistics().state is ActorState.STOPPED


async def test_a_busy_actor_lets_others_run(diary: Diary, nursery: trio.Nursery) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(writer(diary))
        for _ in range(640):
            ref.tell_nowait(Note("x"))
        turns = 0
        while ref.statistics().handled < 640:
            turns += 1
            await trio.lowlevel.checkpoint()
        assert 10 <= turns <= 12  # 64 messages a turn


async def test_a_full_mailbox_makes_tell_wait_and_tell_nowait_fail(
    diary: Diary, nursery: trio.Nursery
) -> None:
    release = trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(writer(diary, mailbox_capacity=1))
        ref.tell_nowait(Do(release.wait))
        await wait_all_tasks_blocked()
        await ref.tell(Note("first"))
        with pytest.raises(MailboxFull, match=r"'writer' is full \(1 messages\)"):
            ref.tell_nowait(Note("refused"))
        for text in ("second", "third"):
            nursery.start_soon(ref.tell, Note(text))
            await wait_all_tasks_blocked()
        assert ref.statistics().tasks_waiting_send == 2
        with trio.move_on_after(0) as given_up:
            await ref.tell(Note("cancelled"))
        assert given_up.cancelled_caught
        release.set()
        await wait_all_tasks_blocked()
        assert diary == ["start", "first", "second", "third"]


async def test_a_stop_finishes_the_message_in_hand_and_leaves_the_rest_as_dead_letters(
    diary: Diary, autojump_clock: trio.testing.MockClock
) -> None:
    events = EventStream()

    async def work() -> None:
        await trio.sleep(3)
        diary.append("finished")

    with events.subscribe(8) as news:
        async with Supervisor("top", events=events) as supervisor:
            ref = await supervisor.start_child(writer(diary))
            await ref.tell(Do(work))
            await wait_all_tasks_blocked()
            for number in range(20):
                await ref.tell(Note(str(number)))
        seen = [await news.__anext__() for _ in range(news.statistics().waiting)]
    assert diary == ["start", "finished", "stop"]
    assert trio.current_time() == pytest.approx(3)
    first = tuple(Note(str(number)) for number in range(16))
    assert DeadLetters("top", "writer", 20, first, DeadLetterCause.STOP) in seen
    assert ChildStopped("top", "writer", StopReason(StopKind.SHUTDOWN)) == seen[-1]
    assert ref.statistics().dead_letters == 20
    with pytest.raises(ActorStopped, match="'writer' has stopped: it was told to stop"):
        await ref.tell(Note("late"))
    with pytest.raises(ActorStopped):
        ref.tell_nowait(Note("late"))


async def test_past_the_grace_the_message_is_cancelled_and_on_stop_still_runs(
    diary: Diary, autojump_clock: trio.testing.MockClock
) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(writer(diary, stop_grace_seconds=2.0))
        await ref.tell(Do(trio.sleep_forever))
        await wait_all_tasks_blocked()
        await supervisor.stop_child("writer")
        assert trio.current_time() == pytest.approx(2)
    assert diary == ["start", "stop"]
    assert ref.statistics().dead_letters == 1


class SlowToStop(Writer):
    async def on_stop(self) -> None:
        self.diary.append("stopping")
        await trio.sleep_forever()


async def test_on_stop_is_bounded_by_the_grace(diary: Diary, autojump_clock: trio.testing.MockClock) -> None:
    async with Supervisor("top") as supervisor:
        await supervisor.start_child(ChildSpec("slow", lambda: SlowToStop(diary), stop_grace_seconds=4.0))
    assert diary == ["start", "stopping"]
    assert trio.current_time() == pytest.approx(4)


class Host(Writer):
    """Has a background task, which ``on_stop`` sees alive."""

    async def on_start(self, context: Context[Do | Note]) -> None:
        await super().on_start(context)
        self.alive = True
        context.nursery.start_soon(self.background)

    async def background(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.alive = False
            self.diary.append("background ended")

    async def on_stop(self) -> None:
        await trio.lowlevel.checkpoint()
        self.diary.append("alive at stop" if self.alive else "gone at stop")


async def test_background_tasks_outlive_on_stop_and_end_with_the_actor(diary: Diary) -> None:
    async with Supervisor("top") as supervisor:
        await supervisor.start_child(ChildSpec("host", lambda: Host(diary)))
    assert diary == ["start", "alive at stop", "background ended"]


class CrashesWhileStopping(Writer):
    async def on_stop(self) -> None:
        self.context.nursery.start_soon(self.crash)
        await wait_all_tasks_blocked()
        await trio.lowlevel.checkpoint()
        self.diary.append("stopped all the same")

    async def crash(self) -> None:
        raise ValueError("in the background")


async def test_on_stop_is_shielded_from_a_crash_in_the_background(diary: Diary) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(ChildSpec("writer", lambda: CrashesWhileStopping(diary)))
    assert diary == ["start", "stopped all the same"]
    assert str((await ref.wait_stopped()).error) == "in the background"


class OneShot(Writer):
    async def handle(self, message: Do | Note) -> object:
        self.context.stop()
        return await super().handle(message)


async def test_an_actor_can_end_itself(diary: Diary) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(ChildSpec("one-shot", lambda: OneShot(diary), Restart.TRANSIENT))
        ref.tell_nowait(Note("handled"))
        ref.tell_nowait(Note("left over"))
        assert await ref.wait_stopped() == StopReason(StopKind.NORMAL)
        assert supervisor.children() == ()
    assert diary == ["start", "handled", "stop"]
    assert ref.statistics().dead_letters == 1


class FailsToStop(Writer):
    async def on_stop(self) -> None:
        raise ValueError("cannot stop")


async def test_an_error_in_on_stop_is_reported_and_the_actor_stops(diary: Diary) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(ChildSpec("bad", lambda: FailsToStop(diary)))
        await supervisor.stop_child("bad")
        reason = await ref.wait_stopped()
    assert reason.kind is StopKind.SHUTDOWN
    assert isinstance(reason.error, ValueError)
    assert ref.statistics().last_error == "ValueError: cannot stop"
    assert ref.statistics().restarts == 0
