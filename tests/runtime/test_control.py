"""Suspend and resume pass the messages in the mailbox, and a suspend always ends."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    ActorState,
    ActorStopped,
    AskCycle,
    Backoff,
    Context,
    Ref,
    Restart,
    StopKind,
    Supervisor,
)

from .clerk import Diary, Do, Note, clerk, forever, until


async def test_suspend_returns_between_two_messages_and_none_is_handled_until_resume(
    nursery: trio.Nursery,
) -> None:
    diary, release, suspended = Diary(), trio.Event(), trio.Event()

    async def suspend(ref: Ref[Do | Note]) -> None:
        await ref.suspend()
        suspended.set()

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        await ref.tell(Note("waits"))
        nursery.start_soon(suspend, ref)
        await wait_all_tasks_blocked()
        assert not suspended.is_set()
        assert (ref.statistics().suspended, ref.statistics().busy) == (True, True)
        release.set()
        await wait_all_tasks_blocked()
        assert suspended.is_set()
        assert (ref.statistics().busy, ref.statistics().mailbox_length) == (False, 1)
        assert diary.lines == ["start"]
        ref.resume()
        await wait_all_tasks_blocked()
        assert diary.lines == ["start", "waits"]
        assert not ref.statistics().suspended


async def test_one_resume_undoes_every_suspend() -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        ref.resume()
        await ref.suspend()
        await ref.suspend()
        await ref.tell(Note("waits"))
        await wait_all_tasks_blocked()
        assert diary.take() == ["start"]
        ref.resume()
        assert await ref.ask(Note("asked")) == "noted asked"
        assert diary.lines == ["waits", "asked"]


async def test_a_suspended_actor_stays_so_over_a_restart(autojump_clock: MockClock) -> None:
    diary = Diary()

    async def fail() -> None:
        raise ValueError("in the background")

    async with Supervisor("top", backoff=Backoff(5.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        await ref.suspend()
        await ref.tell(Note("waits"))
        diary.context.nursery.start_soon(fail)
        await wait_all_tasks_blocked()
        assert ref.statistics().state is ActorState.RESTARTING
        await ref.suspend()  # at once: nothing is being handled
        await trio.sleep(10)
        assert diary.take() == ["start", "start"]
        assert (ref.statistics().restarts, ref.statistics().suspended) == (1, True)
        ref.resume()
        await wait_all_tasks_blocked()
        assert diary.lines == ["waits"]


async def test_a_suspend_ends_when_the_message_at_hand_crashes(nursery: trio.Nursery) -> None:
    diary = Diary()
    async with Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        release = trio.Event()

        async def crash_later(_context: object) -> None:
            await release.wait()
            raise ValueError("crash")

        await ref.tell(Do(crash_later))
        await wait_all_tasks_blocked()
        await ref.tell(Note("waits"))
        release.set()
        await ref.suspend()
        await wait_all_tasks_blocked()
        assert diary.take() == ["start", "start"]
        ref.resume()
        await wait_all_tasks_blocked()
        assert diary.lines == ["waits"]


async def test_a_stop_passes_a_suspended_actor() -> None:
    diary = Diary()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, drain_seconds=60.0))
        await ref.suspend()
        await ref.tell(Note("never"))
        await supervisor.stop_child("clerk")
        assert diary.lines == ["start", "stop"]
        assert (await ref.wait_stopped()).kind is StopKind.SHUTDOWN
        assert ref.statistics().dead_letters == 1
        for control in (ref.suspend, ref.inspect):
            with pytest.raises(ActorStopped):
                await control()
        ref.resume()


async def test_control_requests_end_with_the_actor(nursery: trio.Nursery) -> None:
    diary = Diary()
    ends: list[str] = []

    async def ask(name: str, ref: Ref[Do | Note]) -> None:
        with pytest.raises(ActorStopped) as stopped:
            await (ref.suspend if name == "suspend" else ref.inspect)()
        ends.append(f"{name}: {stopped.value.reason.kind.name}")

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, stop_grace_seconds=0))
        await ref.tell(Do(forever))
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, "suspend", ref)
        nursery.start_soon(ask, "inspect", ref)
        await wait_all_tasks_blocked()
        assert ends == []
        await supervisor.stop_child("clerk")
        await wait_all_tasks_blocked()
    assert sorted(ends) == ["inspect: SHUTDOWN", "suspend: SHUTDOWN"]


@pytest.mark.parametrize("suspends_before", [0, 1])
async def test_a_cancelled_suspend_has_suspended_nothing(suspends_before: int) -> None:
    diary, release = Diary(), trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        for _ in range(suspends_before):
            await ref.suspend()
            await ref.tell(Note("waits"))
        if not suspends_before:
            await ref.tell(until(release))
            await wait_all_tasks_blocked()
            await ref.tell(Note("waits"))
        with trio.CancelScope() as scope:
            scope.cancel()
            await ref.suspend()
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.suspend)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        release.set()
        await wait_all_tasks_blocked()
        if not suspends_before:
            assert not ref.statistics().suspended
            assert diary.lines == ["start", "waits"]


async def test_one_callers_cancellation_leaves_the_others_suspension(nursery: trio.Nursery) -> None:
    diary, release = Diary(), trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        await ref.tell(Note("waits"))
        nursery.start_soon(ref.suspend)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:
                inner.start_soon(ref.suspend)
                await wait_all_tasks_blocked()
                scope.cancel()
        release.set()
        await wait_all_tasks_blocked()
        assert ref.statistics().suspended
        assert diary.lines == ["start"]


@pytest.mark.parametrize("then", ["nothing", "resume", "resume and suspend"])
async def test_a_suspend_that_is_cancelled_as_the_actor_comes_to_rest(then: str) -> None:
    """The caller's task has been woken by the cancellation, but has not run, when the actor goes on."""
    release = trio.Event()
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(Diary()))

        async def cancel_and_return(_context: object) -> None:
            await release.wait()
            scope.cancel()
            if then != "nothing":
                ref.resume()
            if then == "resume and suspend":
                other.start_soon(ref.suspend)

        for _ in range(20):  # whoever runs first
            release = trio.Event()
            await ref.tell(Do(cancel_and_return))
            await wait_all_tasks_blocked()
            async with trio.open_nursery() as other:
                with trio.CancelScope() as scope:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(ref.suspend)
                        await wait_all_tasks_blocked()
                        release.set()
            await wait_all_tasks_blocked()
            assert ref.statistics().suspended is (then == "resume and suspend")
            ref.resume()


@pytest.mark.parametrize("control", ["suspend", "inspect"])
async def test_an_actor_that_would_wait_for_itself_is_told(control: str) -> None:
    diary = Diary()

    async def to_oneself(context: Context[Do | Note]) -> None:
        await getattr(context.ref, control)()

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary, restart=Restart.TEMPORARY))
        with pytest.raises(AskCycle, match="clerk asks clerk"):
            await ref.ask(Do(to_oneself))


async def test_control_has_its_turn_among_messages_that_never_end() -> None:
    """An actor that tells itself for ever still answers, and still stops."""
    diary = Diary()

    async def again(context: Context[Do | Note]) -> None:
        context.ref.tell_nowait(Do(again))

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(diary))
        await ref.tell(Do(again))
        assert (await ref.inspect()).statistics.mailbox_length == 1
        await ref.suspend()
        ref.resume()
        assert await ref.ask(Note("asked")) == "noted asked"
    assert diary.lines == ["start", "asked", "stop"]
