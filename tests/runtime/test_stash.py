"""Messages put aside: they come back in front, in order, and are neither lost nor doubled on the way."""

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorStopped,
    Backoff,
    ChildSpec,
    Context,
    DeadLetterCause,
    DeadLetters,
    Ref,
    StashFull,
    Supervisor,
)

from .clerk import Diary, Do, Note, clerk, crash, seen_on, stream


class Shop(Actor[Note]):
    """Puts all aside until it is told to open; "close" puts aside again, "crash" crashes."""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary
        self.is_open = False

    async def on_start(self, context: Context[Note]) -> None:
        self.context = self.diary.context = context

    async def handle(self, message: Note) -> str:
        await trio.lowlevel.checkpoint()
        match message.text:
            case "open":
                self.is_open = True
                self.context.unstash_all()
            case "crash":
                raise ValueError("crash")
            case "aside, then crash":
                self.context.stash()
                raise ValueError("crash")
            case text if self.is_open:
                self.diary.lines.append(text)
            case _:
                self.context.stash()
        return f"sold {message.text}"


def shop(diary: Diary, **options: Any) -> ChildSpec[Note]:
    return ChildSpec("shop", lambda: Shop(diary), **options)


async def test_the_stash_comes_back_in_front_and_in_order() -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(shop(diary))
        for text in ("a", "b", "c"):
            await ref.tell(Note(text))
        await wait_all_tasks_blocked()
        assert (ref.statistics().stashed, ref.statistics().handled) == (3, 0)
        await ref.tell(Note("open"))
        await ref.tell(Note("d"))
        await wait_all_tasks_blocked()
        assert diary.lines == ["a", "b", "c", "d"]
        assert (ref.statistics().stashed, ref.statistics().handled) == (0, 5)
        assert ref.statistics().dead_letters == 0


async def test_an_ask_that_was_put_aside_is_answered_when_it_is_handled(nursery: trio.Nursery) -> None:
    diary, replies = Diary(), list[str]()

    async def ask(ref: Ref[Note]) -> None:
        replies.append(await ref.ask(Note("a")))

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(shop(diary))
        nursery.start_soon(ask, ref)
        await wait_all_tasks_blocked()
        assert (replies, ref.statistics().stashed) == ([], 1)
        assert await ref.ask(Note("open")) == "sold open"
        await wait_all_tasks_blocked()
        assert replies == ["sold a"]


async def test_the_stash_is_bounded() -> None:
    diary = Diary()
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(shop(diary, stash_capacity=2))
        await ref.tell(Note("a"))
        await ref.tell(Note("b"))
        with pytest.raises(StashFull, match=r"'shop' is full \(2 messages\)"):
            await ref.ask(Note("c"))
        await wait_all_tasks_blocked()
        assert (ref.statistics().restarts, ref.statistics().dead_letters) == (1, 1)
        await ref.ask(Note("open"))
        await wait_all_tasks_blocked()
        assert diary.lines == ["a", "b"]


async def test_a_stash_survives_a_crash_in_front_of_the_mailbox() -> None:
    diary = Diary()
    events, news = stream()
    async with Supervisor("top", backoff=Backoff(0.0), events=events) as supervisor:
        ref = await supervisor.start_child(shop(diary))
        for text in ("a", "b", "crash", "open", "c"):
            ref.tell_nowait(Note(text))
        await wait_all_tasks_blocked()
        assert diary.lines == ["a", "b", "c"]
        assert ref.statistics().restarts == 1
    assert await seen_on(news, DeadLetters) == [
        DeadLetters("top", "shop", 1, (Note("crash"),), DeadLetterCause.CRASH)
    ]


async def test_a_stash_comes_back_at_a_restart_without_being_asked_for() -> None:
    diary = Diary()

    async def once_aside(context: Context[Do | Note]) -> None:
        if context.ref.statistics().incarnation == 1:
            context.stash()
        else:
            diary.lines.append("handled after all")

    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        for message in (Do(once_aside), Do(crash), Note("next")):
            await ref.tell(message)
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "start", "handled after all", "next"]


async def test_a_message_that_is_put_aside_and_then_crashes_is_a_dead_letter_once() -> None:
    diary = Diary()
    events, news = stream()
    async with Supervisor("top", backoff=Backoff(0.0), events=events) as supervisor:
        ref = await supervisor.start_child(shop(diary))
        await ref.tell(Note("a"))
        with pytest.raises(ValueError, match="crash"):
            await ref.ask(Note("aside, then crash"))
        await ref.ask(Note("open"))
        await wait_all_tasks_blocked()
        assert diary.lines == ["a"]
        assert (ref.statistics().restarts, ref.statistics().stashed) == (1, 0)
    letters = await seen_on(news, DeadLetters)
    assert [letter.first for letter in letters] == [(Note("aside, then crash"),)]


async def test_what_is_put_aside_at_the_end_is_a_dead_letter(nursery: trio.Nursery) -> None:
    diary = Diary()
    events, news = stream()
    ends: list[ActorStopped] = []

    async def ask(ref: Ref[Note]) -> None:
        with pytest.raises(ActorStopped) as stopped:
            await ref.ask(Note("a"))
        ends.append(stopped.value)

    async with Supervisor("top", events=events) as supervisor:
        ref = await supervisor.start_child(shop(diary))
        nursery.start_soon(ask, ref)
        await wait_all_tasks_blocked()
        await ref.tell(Note("b"))
        await wait_all_tasks_blocked()
    await wait_all_tasks_blocked()
    assert len(ends) == 1
    first = (Note("a"), Note("b"))
    assert await seen_on(news, DeadLetters) == [DeadLetters("top", "shop", 2, first, DeadLetterCause.STOP)]


async def test_unstash_leaves_what_is_being_put_aside_right_now() -> None:
    diary = Diary()

    async def both(context: Context[Do | Note]) -> None:
        context.stash()
        context.unstash_all()
        assert (context.ref.statistics().handled, context.ref.statistics().stashed) == (0, 1)

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        await ref.tell(Do(both))
        await ref.tell(Note("next"))
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "next"]
        assert ref.statistics().stashed == 1


async def test_the_stash_comes_back_also_to_a_full_mailbox(nursery: trio.Nursery) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(shop(diary, mailbox_capacity=2))
        for text in ("a", "b", "c"):
            await ref.tell(Note(text))
            await wait_all_tasks_blocked()
        for text in ("open", "d", "e", "f"):
            nursery.start_soon(ref.tell, Note(text))
            await wait_all_tasks_blocked()
        assert diary.lines == ["a", "b", "c", "d", "e", "f"]


async def test_only_the_message_at_hand_can_be_put_aside_and_only_once() -> None:
    diary = Diary()
    errors: list[str] = []

    async def twice(context: Context[Do | Note]) -> None:
        context.stash()
        with pytest.raises(RuntimeError) as error:
            context.stash()
        errors.append(str(error.value))

    async def elsewhere(context: Context[Do | Note]) -> None:
        async def background() -> None:
            with pytest.raises(RuntimeError) as error:
                context.stash()
            errors.append(str(error.value))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(background)

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        with pytest.raises(RuntimeError, match=r"call stash\(\) inside handle"):
            diary.context.stash()
        await ref.ask(Do(elsewhere))
        await ref.tell(Do(twice))
        await wait_all_tasks_blocked()
    assert [error.split(": ")[0] for error in errors] == [
        "actor 'clerk' has no message to put aside",
        "actor 'clerk' has put aside this message already",
    ]


async def test_unstash_of_nothing_is_nothing() -> None:
    diary = Diary()
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        diary.context.unstash_all()
        with pytest.raises(ValueError, match="crash"):
            await ref.ask(Do(crash))
        assert await ref.ask(Note("on")) == "noted on"
