"""The end of an actor comes once, with its reason, to all who look, wait or are told."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Backoff,
    Context,
    Ref,
    Restart,
    StopKind,
    StopReason,
    Supervisor,
    watch,
)

from .clerk import Diary, Do, Note, arrived, clerk, crash, until


def note_of(reason: StopReason) -> Note:
    return Note(f"it ended: {reason.kind.name}")


async def test_a_watch_ends_with_the_reason_and_a_restart_is_no_end() -> None:
    diary = Diary()
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        seen = watch(ref)
        with pytest.raises(ValueError, match="crash"):
            await ref.ask(Do(crash))
        assert await ref.ask(Note("still there")) == "noted still there"
        assert watch(ref).reason is None
        await supervisor.stop_child("clerk")
        assert seen.reason == StopReason(StopKind.SHUTDOWN)
        assert await seen.wait() == await seen.wait() == seen.reason


async def test_watching_an_actor_that_has_ended_answers_at_once() -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, restart=Restart.TEMPORARY))
        await ref.tell(Do(crash))
        await ref.wait_stopped()
    seen = watch(ref)
    assert seen.reason is not None
    assert seen.reason.kind is StopKind.CRASHED
    assert isinstance((await seen.wait()).error, ValueError)


async def test_all_who_wait_are_woken_and_one_who_is_cancelled_can_wait_again(
    nursery: trio.Nursery,
) -> None:
    diary, reasons = Diary(), list[StopReason]()

    async def wait(ref: Ref[Do | Note]) -> None:
        reasons.append(await watch(ref).wait())

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        seen = watch(ref)
        nursery.start_soon(wait, ref)
        nursery.start_soon(wait, ref)
        with trio.move_on_after(0):
            await seen.wait()
        await wait_all_tasks_blocked()
        assert reasons == []
    assert await seen.wait() == StopReason(StopKind.SHUTDOWN)
    await wait_all_tasks_blocked()
    assert reasons == [StopReason(StopKind.SHUTDOWN)] * 2


async def test_the_watcher_is_told_once() -> None:
    diary, other = Diary(), Diary()
    async with Supervisor("top") as supervisor:
        await supervisor.start_child(clerk(diary))
        ref = await supervisor.start_child(clerk(other, "other"))
        seen = diary.context.watch(ref, note_of)
        await supervisor.stop_child("other")
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "it ended: SHUTDOWN"]
        assert seen.reason == StopReason(StopKind.SHUTDOWN)
        diary.context.watch(ref, note_of)
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "it ended: SHUTDOWN", "it ended: SHUTDOWN"]


async def test_a_cancelled_watch_tells_nothing_more_even_in_the_moment_of_the_end() -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        watcher = await supervisor.start_child(clerk(diary))
        early = diary.context.watch(watcher, note_of)
        early.cancel()
        early.cancel()
        for _ in range(20):  # whoever runs first: this task or that of the watch
            other = await supervisor.start_child(clerk(Diary(), "other"))
            seen = diary.context.watch(other, note_of)
            await wait_all_tasks_blocked()
            await supervisor.stop_child("other")
            seen.cancel()
            before = arrived(watcher)
            await wait_all_tasks_blocked()
            assert arrived(watcher) == before


async def test_the_watcher_that_restarted_is_not_told(autojump_clock: MockClock) -> None:
    diary, other = Diary(), Diary()
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        watcher = await supervisor.start_child(clerk(diary))
        ref = await supervisor.start_child(clerk(other, "other"))
        diary.context.watch(ref, note_of)
        with pytest.raises(ValueError, match="crash"):
            await watcher.ask(Do(crash))
        await supervisor.stop_child("other")
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "start"]


async def test_the_watcher_that_ends_first_is_not_told() -> None:
    diary, other = Diary(), Diary()
    async with Supervisor("top") as supervisor:
        watcher = await supervisor.start_child(clerk(diary))
        ref = await supervisor.start_child(clerk(other, "other"))
        diary.context.watch(ref, note_of)
        diary.context.watch(watcher, note_of)  # its own end
        await supervisor.stop_child("clerk")
        await supervisor.stop_child("other")
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "stop"]
        assert watcher.statistics().dead_letters == 0


async def test_an_error_of_make_is_the_watchers_crash() -> None:
    diary, other = Diary(), Diary()

    def broken(reason: StopReason) -> Note:
        raise LookupError("no words for it")

    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        watcher = await supervisor.start_child(clerk(diary, restart=Restart.TEMPORARY))
        ref = await supervisor.start_child(clerk(other, "other"))
        diary.context.watch(ref, broken)
        await supervisor.stop_child("other")
        assert isinstance((await watcher.wait_stopped()).error, LookupError)


async def test_the_news_waits_for_room_in_the_watchers_mailbox() -> None:
    diary, other, release = Diary(), Diary(), trio.Event()
    async with Supervisor("top") as supervisor:
        watcher = await supervisor.start_child(clerk(diary, mailbox_capacity=1))
        ref = await supervisor.start_child(clerk(other, "other"))

        async def watch_it(context: Context[Do | Note]) -> None:
            context.watch(ref, note_of)
            await release.wait()

        await watcher.tell(Do(watch_it))
        await wait_all_tasks_blocked()
        await watcher.tell(Note("fills"))
        await supervisor.stop_child("other")
        await wait_all_tasks_blocked()
        assert watcher.statistics().tasks_waiting_send == 1
        release.set()
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "fills", "it ended: SHUTDOWN"]


async def test_a_watch_is_not_held_up_by_a_busy_actor(nursery: trio.Nursery) -> None:
    diary, release = Diary(), trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, stop_grace_seconds=0))
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        nursery.start_soon(supervisor.stop_child, "clerk")
        assert (await watch(ref).wait()).kind is StopKind.SHUTDOWN
