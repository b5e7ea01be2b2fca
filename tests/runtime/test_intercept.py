"""Faults on the way into a mailbox: dropped, doubled, late, or the crash of whoever handles it."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    ActorStopped,
    Backoff,
    Crash,
    DeadLetterCause,
    DeadLetters,
    Delay,
    Interceptor,
    MailboxFull,
    MessageDropped,
    MessageTraced,
    Overflow,
    Ref,
    Supervisor,
    Verdict,
)

from .clerk import Diary, Do, Note, clerk, seen_on, stream, until


def on(text: str, verdict: Verdict | Delay | Crash) -> Interceptor:
    """The verdict for notes with that text, all else passes."""

    def decide(message: object) -> Verdict | Delay | Crash:
        return verdict if message == Note(text) else Verdict.PASS

    return decide


async def test_dropped_is_a_dead_letter_and_its_asker_is_told() -> None:
    diary = Diary()
    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        ref.intercept(on("a", Verdict.DROP))
        await ref.tell(Note("a"))
        ref.tell_nowait(Note("a"))
        with pytest.raises(MessageDropped, match="an interceptor dropped it") as dropped:
            await ref.ask(Note("a"))
        assert dropped.value.cause is DeadLetterCause.INJECTED
        assert await ref.ask(Note("b")) == "noted b"
        ref.intercept(None)
        assert await ref.ask(Note("a")) == "noted a"
        assert ref.statistics().dead_letters == 3
    letter = DeadLetters("top", "clerk", 1, (Note("a"),), DeadLetterCause.INJECTED)
    assert await seen_on(news, DeadLetters) == [letter] * 3


async def test_doubled_is_handled_twice_and_answered_once() -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        ref.intercept(on("a", Verdict.DUPLICATE))
        assert await ref.ask(Note("a")) == "noted a"
        await ref.tell(Note("b"))
        ref.tell_nowait(Note("a"))
        await wait_all_tasks_blocked()
    assert diary.lines == ["start", "a", "a", "b", "a", "a", "stop"]


async def test_the_double_of_a_message_with_room_for_one_goes_in_too(nursery: trio.Nursery) -> None:
    diary, release = Diary(), trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, mailbox_capacity=1))
        ref.intercept(on("a", Verdict.DUPLICATE))
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        ref.tell_nowait(Note("a"))
        with pytest.raises(MailboxFull):
            ref.tell_nowait(Note("a"))
        nursery.start_soon(ref.tell, Note("a"))
        await wait_all_tasks_blocked()
        release.set()
        await wait_all_tasks_blocked()
    assert diary.lines == ["start", "a", "a", "a", "a", "stop"]


async def test_late_comes_after_its_delay_and_others_pass_it(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, mailbox_capacity=1, overflow=Overflow.FAIL))
        ref.intercept(on("a", Delay(5.0)))
        await ref.tell(Note("a"))
        ref.tell_nowait(Note("b"))
        await trio.sleep(4.9)
        assert diary.lines == ["start", "b"]
        await trio.sleep(0.2)
        assert diary.take() == ["start", "b", "a"]
        assert await ref.ask(Note("a")) == "noted a"
        assert trio.current_time() == pytest.approx(10.1)


async def test_late_survives_a_restart_of_the_receiver(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        ref.intercept(on("a", Delay(5.0)))
        await ref.tell(Note("a"))
        ref.intercept(on("b", Crash(OSError("injected"))))
        with pytest.raises(OSError, match="injected"):
            await ref.ask(Note("b"))
        await trio.sleep(10)
        assert diary.lines == ["start", "start", "a"]


async def test_late_to_an_actor_that_has_ended_is_a_dead_letter(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    diary = Diary()
    events, news = stream()
    ends: list[str] = []

    async def ask(ref: Ref[Do | Note]) -> None:
        with pytest.raises(ActorStopped):
            await ref.ask(Note("a"))
        ends.append("stopped")

    async with Supervisor("top", events=events) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        ref.intercept(on("a", Delay(5.0)))
        await ref.tell(Note("a"))
        nursery.start_soon(ask, ref)
        await trio.sleep(1)
    await trio.sleep(10)
    assert ends == ["stopped"]
    assert (ref.statistics().mailbox_length, ref.statistics().dead_letters) == (0, 2)
    first = (Note("a"), Note("a"))
    assert await seen_on(news, DeadLetters) == [DeadLetters("top", "clerk", 2, first, DeadLetterCause.STOP)]


async def test_an_injected_crash_is_a_crash_on_that_message() -> None:
    diary = Diary()
    events, news = stream()
    async with Supervisor("top", backoff=Backoff(0.0), events=events) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        ref.intercept(on("a", Crash(OSError("injected"))))
        for text in ("before", "a", "after"):
            await ref.tell(Note(text))
        await wait_all_tasks_blocked()
        assert ref.statistics().restarts == 1
        assert ref.statistics().last_error == "OSError: injected"
    assert diary.lines == ["start", "before", "start", "after", "stop"]
    letter = DeadLetters("top", "clerk", 1, (Note("a"),), DeadLetterCause.CRASH)
    assert await seen_on(news, DeadLetters) == [letter]


async def test_an_error_of_the_interceptor_is_the_senders() -> None:
    def broken(message: object) -> Verdict:
        raise LookupError("no verdict")

    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        ref.intercept(broken)
        with pytest.raises(LookupError):
            await ref.tell(Note("a"))
        with pytest.raises(LookupError):
            ref.tell_nowait(Note("a"))
        with pytest.raises(LookupError):
            await ref.ask(Note("a"))
    assert diary.lines == ["start", "stop"]


async def test_timers_and_watches_are_intercepted(autojump_clock: MockClock) -> None:
    diary, seen = Diary(), list[object]()

    def look(message: object) -> Verdict:
        seen.append(message)
        return Verdict.PASS

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        other = await supervisor.start_child(clerk(Diary(), "other"))
        ref.intercept(look)
        diary.context.send_after(1.0, Note("timer"))
        diary.context.watch(other, lambda _reason: Note("watch"))
        await trio.sleep(2)
        await supervisor.stop_child("other")
        await wait_all_tasks_blocked()
    assert seen == [Note("timer"), Note("watch")]


async def test_traced_and_intercepted_at_once() -> None:
    events, news = stream()
    async with Supervisor("top", backoff=Backoff(0.0), events=events) as supervisor:
        ref = await supervisor.start_child(clerk(Diary()))
        ref.trace(True)
        ref.intercept(on("a", Verdict.DUPLICATE))
        await ref.tell(Note("a"))
        ref.intercept(on("a", Verdict.DROP))
        await ref.tell(Note("a"))
        ref.intercept(on("a", Crash(OSError("injected"))))
        await ref.tell(Note("a"))
        ref.intercept(None)
        await ref.tell(Note("b"))
        await wait_all_tasks_blocked()
    seen = await seen_on(news, MessageTraced)
    ends: dict[int, list[str]] = {}
    for event in seen:
        ends.setdefault(event.id, []).append(event.kind.value)
    doubled, dropped, crashed, plain = ["put", "handled"], ["dead"], ["put", "dead"], ["put", "handled"]
    assert ends == {1: doubled, 2: doubled, 3: dropped, 4: crashed, 5: plain}


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_a_delay_into_the_past_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Delay(seconds)
