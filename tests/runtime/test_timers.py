"""Messages to oneself, later: they come once or again, can be cancelled, and die with their incarnation."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    Backoff,
    ChildSpec,
    Context,
    DeadLetterCause,
    DeadLetters,
    Overflow,
    Restart,
    Supervisor,
)

from .clerk import Diary, Do, Note, arrived, clerk, crash, forever, seen_on, stream, until


async def test_a_message_comes_once_after_its_time(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        await supervisor.start_child(clerk(diary))
        timer = diary.context.send_after(5.0, Note("later"))
        await trio.sleep(4.9)
        assert (diary.take(), timer.active) == (["start"], True)
        await trio.sleep(0.2)
        assert (diary.take(), timer.active) == (["later"], False)
        await trio.sleep(60)
        assert diary.lines == []


async def test_after_no_time_at_all(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        await supervisor.start_child(clerk(diary))
        diary.context.send_after(0, Note("soon"))
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "soon"]


async def test_a_message_comes_every_so_often_until_cancelled(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        await supervisor.start_child(clerk(diary))
        timer = diary.context.send_every(2.0, Note("tick"))
        await trio.sleep(6.5)
        assert (diary.take(), timer.active) == (["start", "tick", "tick", "tick"], True)
        timer.cancel()
        timer.cancel()
        assert not timer.active
        await trio.sleep(60)
        assert diary.lines == []


async def test_ticks_never_pile_up_and_keep_their_beat(autojump_clock: MockClock) -> None:
    diary, times = Diary(), list[float]()

    async def tick(_context: object) -> None:
        times.append(trio.current_time())
        if len(times) == 1:
            await trio.sleep(7)

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, stop_grace_seconds=0))
        diary.context.send_every(2.0, Do(tick))
        await trio.sleep(8.5)  # busy from 2 to 9
        assert ref.statistics().mailbox_length == 0
        await trio.sleep(4)
    assert times == pytest.approx([2, 10, 12])


async def test_a_tick_that_waited_for_room_does_not_delay_the_next(autojump_clock: MockClock) -> None:
    diary, times = Diary(), list[float]()
    release = trio.Event()

    async def tick(_context: object) -> None:
        times.append(trio.current_time())

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, mailbox_capacity=1))
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        await ref.tell(Note("fills"))
        diary.context.send_every(2.0, Do(tick))
        await trio.sleep(5)
        release.set()
        await trio.sleep(4)
    assert times == pytest.approx([5, 6, 8])


async def test_a_tick_in_the_stash_holds_back_the_next(autojump_clock: MockClock) -> None:
    diary = Diary()

    async def aside(context: Context[Do | Note]) -> None:
        if trio.current_time() < 9:
            context.stash()
        else:
            diary.lines.append("tick")

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        diary.context.send_every(2.0, Do(aside))
        await trio.sleep(9)
        assert ref.statistics().stashed == 1
        diary.context.unstash_all()
        await wait_all_tasks_blocked()
        assert diary.take() == ["start", "tick"]
        await trio.sleep(2)
        assert diary.lines == ["tick"]


@pytest.mark.parametrize("again", [False, True])
def test_cancelled_in_the_moment_it_is_due_it_comes_no_more(again: bool) -> None:
    """The timer's task has been woken by its deadline when cancel() is called; its turn may not have come."""
    clock, diary = MockClock(), Diary()

    async def main() -> None:
        async with Supervisor("top") as supervisor:
            ref = await supervisor.start_child(clerk(diary))
            send = diary.context.send_every if again else diary.context.send_after
            for _ in range(20):  # whoever runs first
                timer = send(1.0, Note("due"))
                await wait_all_tasks_blocked()
                with trio.move_on_after(1.0):
                    clock.jump(1.0)
                    await trio.sleep_forever()
                timer.cancel()
                before = arrived(ref)
                await wait_all_tasks_blocked()
                assert arrived(ref) == before

    trio.run(main, clock=clock)


async def test_timers_die_with_their_incarnation(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        once = diary.context.send_after(5.0, Note("once"))
        again = diary.context.send_every(1.0, Note("again"))
        with pytest.raises(ValueError, match="crash"):
            await ref.ask(Do(crash))
        assert (once.active, again.active) == (False, False)
        await trio.sleep(60)
        assert diary.lines == ["start", "start"]


async def test_no_timer_fires_while_its_actor_stops(autojump_clock: MockClock) -> None:
    diary = Diary()
    events, news = stream()

    class Slow(Actor[Note]):
        async def on_start(self, context: Context[Note]) -> None:
            context.send_every(1.0, Note("tick"))

        async def handle(self, message: Note) -> None:
            diary.lines.append(message.text)

        async def on_stop(self) -> None:
            await trio.sleep(3)

    async with Supervisor("top", events=events) as supervisor:
        await supervisor.start_child(ChildSpec("slow", Slow))
        await trio.sleep(2.5)
    assert diary.lines == ["tick", "tick"]
    assert await seen_on(news, DeadLetters) == []


async def test_a_due_message_waits_for_room_and_can_still_be_cancelled(autojump_clock: MockClock) -> None:
    diary, release = Diary(), trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, mailbox_capacity=1))
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        await ref.tell(Note("fills"))
        kept = diary.context.send_after(1.0, Note("kept"))
        cancelled = diary.context.send_after(2.0, Note("cancelled"))
        await trio.sleep(3)
        assert ref.statistics().tasks_waiting_send == 2
        assert (kept.active, cancelled.active) == (True, True)
        cancelled.cancel()
        assert ref.statistics().tasks_waiting_send == 1
        release.set()
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "fills", "kept"]
        assert not kept.active


@pytest.mark.parametrize("overflow", [Overflow.FAIL, Overflow.DEAD_LETTER])
async def test_where_a_tell_would_fail_it_is_a_dead_letter(
    overflow: Overflow, autojump_clock: MockClock
) -> None:
    diary, release = Diary(), trio.Event()
    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        ref = await supervisor.start_child(clerk(diary, mailbox_capacity=1, overflow=overflow))
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        await ref.tell(Note("fills"))
        diary.context.send_after(1.0, Note("lost"))
        await trio.sleep(2)
        release.set()
        await wait_all_tasks_blocked()
        assert (ref.statistics().restarts, ref.statistics().overflowed) == (0, 1)
    assert diary.lines == ["start", "fills", "stop"]
    lost = DeadLetters("top", "clerk", 1, (Note("lost"),), DeadLetterCause.OVERFLOW)
    assert await seen_on(news, DeadLetters) == [lost]


async def test_a_timer_of_an_incarnation_that_is_killed_is_not_active(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(
            clerk(diary, hang_limit_seconds=8.0, restart=Restart.TEMPORARY, mailbox_capacity=1)
        )
        await ref.tell(Do(forever))
        timer = diary.context.send_every(1.0, Note("tick"))
        await ref.wait_stopped()
        assert not timer.active


async def test_times_that_make_no_sense_are_refused() -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        await supervisor.start_child(clerk(diary))
        for seconds in (-1.0, float("nan")):
            with pytest.raises(ValueError, match="after 0 s or more"):
                diary.context.send_after(seconds, Note("x"))
        for seconds in (0.0, -1.0, float("nan")):
            with pytest.raises(ValueError, match="every more than 0 s"):
                diary.context.send_every(seconds, Note("x"))
