"""Draining: at a stop for good the mailbox takes nothing new, and what is in it is handled for a while."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    ActorStopped,
    Backoff,
    Context,
    DeadLetterCause,
    DeadLetters,
    Ref,
    StopKind,
    Strategy,
    Supervisor,
)

from .clerk import Diary, Do, Note, clerk, crash, seen_on, stream


def slow(diary: Diary, text: str, seconds: float = 1.0) -> Do:
    async def work(_context: object) -> None:
        await trio.sleep(seconds)
        diary.lines.append(text)

    return Do(work)


async def test_what_is_in_the_mailbox_is_handled_and_nothing_new_is_taken(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    diary, refused = Diary(), list[str]()

    async def tell(ref: Ref[Do | Note], text: str) -> None:
        with pytest.raises(ActorStopped):
            await ref.tell(Note(text))
        refused.append(text)

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, drain_seconds=60.0, mailbox_capacity=3))
        await ref.tell(slow(diary, "at hand"))
        await wait_all_tasks_blocked()
        for text in ("a", "b", "c"):
            await ref.tell(slow(diary, text))
        nursery.start_soon(tell, ref, "waited for room")
        await wait_all_tasks_blocked()
        nursery.start_soon(supervisor.stop_child, "clerk")
        await wait_all_tasks_blocked()
        await tell(ref, "new")
        with pytest.raises(ActorStopped):
            ref.tell_nowait(Note("new"))
        with pytest.raises(ActorStopped):
            await ref.ask(Note("new"))
        assert (await ref.wait_stopped()).kind is StopKind.SHUTDOWN
    assert trio.current_time() == pytest.approx(4)
    assert diary.lines == ["start", "at hand", "a", "b", "c", "stop"]
    assert refused == ["waited for room", "new"]
    assert ref.statistics().dead_letters == 0


async def test_after_its_time_the_one_at_hand_has_the_grace_and_the_rest_is_dead(
    autojump_clock: MockClock,
) -> None:
    diary = Diary()
    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        ref = await supervisor.start_child(clerk(diary, drain_seconds=5.0, stop_grace_seconds=2.0))
        messages = [slow(diary, str(number), 3.0) for number in range(4)]
        for message in messages:
            await ref.tell(message)
        await wait_all_tasks_blocked()
        await supervisor.stop_child("clerk")
    assert diary.lines == ["start", "0", "1", "stop"]  # 1 was done at 6 s, within the grace
    left = DeadLetters("top", "clerk", 2, tuple(messages[2:]), DeadLetterCause.STOP)
    assert await seen_on(news, DeadLetters) == [left]
    assert trio.current_time() == pytest.approx(6)


async def test_a_message_that_outlasts_drain_and_grace_is_cancelled(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, drain_seconds=5.0, stop_grace_seconds=2.0))
        await ref.tell(slow(diary, "never", 100.0))
        await wait_all_tasks_blocked()
        await supervisor.stop_child("clerk")
    assert trio.current_time() == pytest.approx(7)
    assert diary.lines == ["start", "stop"]


async def test_without_a_drain_only_the_one_at_hand_is_finished(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        for text in ("at hand", "left"):
            await ref.tell(slow(diary, text))
        await wait_all_tasks_blocked()
    assert diary.lines == ["start", "at hand", "stop"]
    assert ref.statistics().dead_letters == 1


async def test_an_idle_actor_has_nothing_to_drain(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        await supervisor.start_child(clerk(diary, drain_seconds=60.0))
    assert trio.current_time() == 0
    assert diary.lines == ["start", "stop"]


async def test_a_crash_while_draining_leaves_the_rest_as_dead_letters(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary, drain_seconds=60.0))
        await ref.tell(Do(crash))
        await ref.tell(Note("left"))
    reason = await ref.wait_stopped()
    assert (reason.kind, str(reason.error)) == (StopKind.SHUTDOWN, "crash")
    assert (ref.statistics().dead_letters, ref.statistics().restarts) == (2, 0)


async def test_a_draining_actor_lets_others_run_and_is_inspected(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, drain_seconds=60.0))
        for number in range(640):
            await ref.tell(Note(str(number)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.stop_child, "clerk")
            turns = 0
            while ref.statistics().handled < 640:
                turns += 1
                await trio.lowlevel.checkpoint()
                if turns == 3:
                    assert (await ref.inspect()).statistics.state.value == "stopping"
            assert turns >= 8


async def test_a_restart_of_the_group_does_not_drain(autojump_clock: MockClock) -> None:
    """Its mailbox survives, so there is no haste."""
    diary, other = Diary(), Diary()
    async with Supervisor("top", strategy=Strategy.ONE_FOR_ALL, backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary, drain_seconds=60.0))
        await supervisor.start_child(clerk(other, "other"))
        for text in ("at hand", "after"):
            await ref.tell(slow(diary, text))
        await wait_all_tasks_blocked()

        async def fail() -> None:
            raise ValueError("fail")

        other.context.nursery.start_soon(fail)
        await trio.sleep(10)
        assert diary.lines == ["start", "at hand", "stop", "start", "after"]


async def test_what_a_draining_actor_tells_itself_is_refused(autojump_clock: MockClock) -> None:
    diary, refused = Diary(), list[ActorStopped]()

    async def tell_oneself(context: Context[Do | Note]) -> None:
        await trio.sleep(1)
        with pytest.raises(ActorStopped) as stopped:
            context.ref.tell_nowait(Note("again"))
        refused.append(stopped.value)

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, drain_seconds=60.0))
        await ref.tell(Do(tell_oneself))
        await ref.tell(Do(tell_oneself))
        await wait_all_tasks_blocked()
    assert len(refused) == 2
