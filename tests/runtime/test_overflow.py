"""A message that finds the mailbox full: the four policies, for tell, tell_nowait and ask."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scriptorium.runtime import (
    ChildSpec,
    DeadLetterCause,
    DeadLetters,
    MailboxFull,
    MessageDropped,
    Overflow,
    Ref,
    Supervisor,
)

from .clerk import Diary, Do, Note, clerk, seen_on, stream, until


async def full(supervisor: Supervisor, spec: ChildSpec[Do | Note], release: trio.Event) -> Ref[Do | Note]:
    """A clerk at work, with ``old`` and ``mid`` in its mailbox of two."""
    ref = await supervisor.start_child(spec)
    await ref.tell(until(release))
    await wait_all_tasks_blocked()
    for text in ("old", "mid"):
        await ref.tell(Note(text))
    return ref


def spec_of(diary: Diary, overflow: Overflow) -> ChildSpec[Do | Note]:
    return clerk(diary, mailbox_capacity=2, overflow=overflow)


async def test_wait_is_the_default_and_tells_wait_in_their_order(nursery: trio.Nursery) -> None:
    diary, release = Diary(), trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await full(supervisor, clerk(diary, mailbox_capacity=2), release)
        assert ref.statistics().overflow is Overflow.WAIT
        for text in ("new", "newer"):
            nursery.start_soon(ref.tell, Note(text))
            await wait_all_tasks_blocked()
        with pytest.raises(MailboxFull):
            ref.tell_nowait(Note("refused"))
        assert (ref.statistics().tasks_waiting_send, ref.statistics().overflowed) == (2, 1)
        release.set()
        await wait_all_tasks_blocked()
    assert diary.lines == ["start", "old", "mid", "new", "newer", "stop"]


async def test_fail_refuses_the_new_one_and_nothing_becomes_a_dead_letter() -> None:
    diary, release = Diary(), trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await full(supervisor, spec_of(diary, Overflow.FAIL), release)
        with pytest.raises(MailboxFull, match=r"'clerk' is full \(2 messages\)"):
            await ref.tell(Note("new"))
        with pytest.raises(MailboxFull):
            await ref.ask(Note("new"))
        with pytest.raises(MailboxFull):
            ref.tell_nowait(Note("new"))
        assert (ref.statistics().overflowed, ref.statistics().dead_letters) == (3, 0)
        release.set()
        await wait_all_tasks_blocked()
        await ref.tell(Note("again"))
        await wait_all_tasks_blocked()
    assert diary.lines == ["start", "old", "mid", "again", "stop"]


async def test_drop_oldest_keeps_the_newest_and_tells_the_asker_of_the_oldest(nursery: trio.Nursery) -> None:
    diary, release = Diary(), trio.Event()
    events, news = stream()
    ends: list[MessageDropped] = []

    async def ask(ref: Ref[Do | Note]) -> None:
        with pytest.raises(MessageDropped, match="'clerk' was dropped: the mailbox was full") as dropped:
            await ref.ask(Note("asked"))
        ends.append(dropped.value)

    async with Supervisor("top", events=events) as supervisor:
        ref = await full(supervisor, spec_of(diary, Overflow.DROP_OLDEST), release)
        nursery.start_soon(ask, ref)  # drops old
        await wait_all_tasks_blocked()
        ref.tell_nowait(Note("new"))  # drops mid
        await ref.tell(Note("newer"))  # drops asked
        await wait_all_tasks_blocked()
        assert [end.cause for end in ends] == [DeadLetterCause.OVERFLOW]
        assert (ref.statistics().overflowed, ref.statistics().dead_letters) == (3, 3)
        release.set()
        await wait_all_tasks_blocked()
    assert diary.lines == ["start", "new", "newer", "stop"]
    assert await seen_on(news, DeadLetters) == [
        DeadLetters("top", "clerk", 1, (Note(text),), DeadLetterCause.OVERFLOW)
        for text in ("old", "mid", "asked")
    ]


async def test_dead_letter_drops_the_new_one_and_its_asker_is_told() -> None:
    diary, release = Diary(), trio.Event()
    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        ref = await full(supervisor, spec_of(diary, Overflow.DEAD_LETTER), release)
        await ref.tell(Note("told"))
        ref.tell_nowait(Note("told at once"))
        with pytest.raises(MessageDropped):
            await ref.ask(Note("asked"))
        assert (ref.statistics().overflowed, ref.statistics().dead_letters) == (3, 3)
        release.set()
        await wait_all_tasks_blocked()
    assert diary.lines == ["start", "old", "mid", "stop"]
    dead = await seen_on(news, DeadLetters)
    assert [letter.first for letter in dead] == [(Note(text),) for text in ("told", "told at once", "asked")]
    assert {letter.cause for letter in dead} == {DeadLetterCause.OVERFLOW}


@pytest.mark.parametrize("overflow", Overflow)
async def test_with_room_the_policy_does_not_matter(overflow: Overflow) -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(spec_of(diary, overflow))
        assert await ref.ask(Note("a")) == "noted a"
        await ref.tell(Note("b"))
        ref.tell_nowait(Note("c"))
        await wait_all_tasks_blocked()
        statistics = ref.statistics()
        assert (statistics.handled, statistics.overflowed, statistics.overflow) == (3, 0, overflow)
    assert diary.lines == ["start", "a", "b", "c", "stop"]
