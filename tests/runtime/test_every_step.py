"""The callee killed, or the caller cancelled, before each single step of the scheduler: every wait ends."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from scriptorium.runtime import (
    ActorStopped,
    Backoff,
    Context,
    Ref,
    Restart,
    Supervisor,
    watch,
)

from .clerk import Diary, Do, Note, clerk


class AtStep(trio.abc.Instrument):
    """Calls ``act`` before the task step with that number, counted from `arm`."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.act: Callable[[], None] | None = None
        self.struck = False

    def arm(self, act: Callable[[], None] | None) -> None:
        self.act = act

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.act is None or self.struck:
            return
        self.number -= 1
        if self.number < 0:
            self.struck = True
            self.act()


async def several_steps(context: Context[Any]) -> str:
    for _ in range(8):
        await trio.lowlevel.checkpoint()
    await trio.sleep(1)
    return "answer"


async def back(context: Context[Any]) -> None:
    context.unstash_all()


async def ask(ref: Ref[Do | Note]) -> object:
    return await ref.ask(Do(several_steps))


async def ask_with_deadline(ref: Ref[Do | Note]) -> object:
    return await ref.ask(Do(several_steps), timeout_seconds=0.5)


async def ask_and_wait_for_room(ref: Ref[Do | Note]) -> object:
    while ref.statistics().mailbox_length < ref.statistics().mailbox_capacity:
        await ref.tell(Do(several_steps))
    return await ref.ask(Do(several_steps))


async def ask_through_the_stash(ref: Ref[Do | Note]) -> object:
    return await ref.ask(Do(aside_until_a_second))


async def aside_until_a_second(context: Context[Any]) -> str:
    if trio.current_time() < 1:
        context.stash()
        context.send_after(1.0, Do(back))
    return await several_steps(context)


async def begin(ref: Ref[Do | Note]) -> None:
    await ref.tell(Do(several_steps))
    while not ref.statistics().busy and ref.stop_reason is None:
        await trio.lowlevel.checkpoint()


async def suspend(ref: Ref[Do | Note]) -> object:
    await begin(ref)
    await ref.suspend()
    ref.resume()
    return "answer"


async def inspect(ref: Ref[Do | Note]) -> object:
    await begin(ref)
    await ref.inspect()
    return "answer"


async def finish(context: Context[Any]) -> None:
    await several_steps(context)
    context.stop()


async def wait_for_the_end(ref: Ref[Do | Note]) -> object:
    await ref.tell(Do(finish))
    await watch(ref).wait()
    return "answer"


Operation = Callable[[Ref[Do | Note]], Awaitable[object]]


async def outcome_of(operation: Operation, ref: Ref[Do | Note], scope: trio.CancelScope) -> str:
    with scope:
        try:
            return str(await operation(ref))
        except (ValueError, ActorStopped, trio.TooSlowError) as error:
            return type(error).__name__
    return "cancelled"


async def killed() -> None:
    raise ValueError("killed")


async def play(operation: Operation, how: str, restart: Restart, at: AtStep) -> str:
    """One run: the outcome of the operation, when ``how`` strikes at the step."""
    diary, scope = Diary(), trio.CancelScope()
    async with trio.open_nursery() as nursery, Supervisor("top", backoff=Backoff(0.0)) as supervisor:
        ref = await supervisor.start_child(
            clerk(diary, restart=restart, stop_grace_seconds=0, mailbox_capacity=2)
        )

        def strike() -> None:
            match how:
                case "cancel":
                    scope.cancel()
                case "stop":
                    nursery.start_soon(supervisor.stop_child, "clerk")
                case "crash" if not diary.context.ending:
                    diary.context.nursery.start_soon(killed)
                case _:
                    pass

        at.arm(strike)
        with trio.move_on_after(1e6) as never:  # nothing else happens then: the wait had no end
            outcome = await outcome_of(operation, ref, scope)
        at.arm(None)
        assert not never.cancelled_caught, f"{how} at {at.number}: no end"
        if how == "cancel" or (how == "crash" and restart is Restart.PERMANENT):
            assert await ref.ask(Note("after")) == "noted after", "its own reply, and no late one"
    left = ref.statistics()
    assert (left.mailbox_length, left.tasks_waiting_send, left.stashed) == (0, 0, 0)
    return outcome


def outcomes(operation: Operation, how: str, restart: Restart) -> list[str]:
    """Of striking before each step that there is, one run each."""
    found: list[str] = []
    while True:
        at = AtStep(len(found))
        clock = MockClock(autojump_threshold=0)
        outcome = trio.run(play, operation, how, restart, at, clock=clock, instruments=[at])
        if not at.struck:
            return found
        found.append(outcome)


@pytest.mark.parametrize(
    "operation",
    [ask, ask_with_deadline, ask_and_wait_for_room, ask_through_the_stash, suspend, inspect],
    ids=lambda operation: operation.__name__,
)
@pytest.mark.parametrize(
    ("how", "restart", "ends"),
    [
        ("crash", Restart.PERMANENT, {"ValueError"}),
        ("crash", Restart.TEMPORARY, {"ValueError", "ActorStopped"}),
        ("stop", Restart.PERMANENT, {"ActorStopped"}),
        ("cancel", Restart.PERMANENT, {"cancelled"}),
    ],
    ids=["crash", "last crash", "stop", "cancel"],
)
def test_every_wait_ends_and_ends_well(
    operation: Operation, how: str, restart: Restart, ends: set[str]
) -> None:
    found = outcomes(operation, how, restart)
    assert len(found) > 8
    undisturbed = "TooSlowError" if operation is ask_with_deadline else "answer"
    assert set(found) <= {undisturbed, *ends}
    if how != "crash" or operation not in {suspend, inspect, ask_and_wait_for_room, ask_through_the_stash}:
        assert set(found) & ends, "it struck in the middle too"


@pytest.mark.parametrize("how", ["crash", "stop"])
def test_a_watch_ends_whenever_the_actor_does(how: str) -> None:
    assert set(outcomes(wait_for_the_end, how, Restart.TEMPORARY)) == {"answer"}
