"""Random messages, crashes, stashes and suspensions under each policy: nothing is lost, nothing doubled."""

from collections import Counter
from contextlib import suppress
from functools import partial
from random import Random

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from scriptorium.runtime import (
    ActorStopped,
    Backoff,
    ChildSpec,
    DeadLetterCause,
    DeadLetters,
    Delay,
    EventStream,
    Intensity,
    MailboxFull,
    MessageDropped,
    Overflow,
    Ref,
    Restart,
    StashFull,
    Supervisor,
    SupervisorFailed,
    Verdict,
)

from .ledger import Ledger, Planned, Step, Work, Worker


async def crash() -> None:
    raise Planned


async def tell(ledger: Ledger, ref: Ref[Work], work: Work, *, patience: float) -> None:
    with trio.CancelScope(deadline=trio.current_time() + patience) as scope:
        try:
            await ref.tell(work)
        except (MailboxFull, ActorStopped):
            ledger.refused.append(work.number)
        else:
            ledger.put.append(work.number)
    if scope.cancelled_caught:
        ledger.refused.append(work.number)


def tell_nowait(ledger: Ledger, ref: Ref[Work], work: Work) -> None:
    try:
        ref.tell_nowait(work)
    except (MailboxFull, ActorStopped):
        ledger.refused.append(work.number)
    else:
        ledger.put.append(work.number)


async def ask(ledger: Ledger, ref: Ref[Work], work: Work) -> None:
    try:
        assert await ref.ask(work, timeout_seconds=200.0) == work.number
        ledger.put.append(work.number)
        ledger.replied.append(work.number)
    except (Planned, StashFull, MessageDropped, ExceptionGroup):
        ledger.put.append(work.number)
    except MailboxFull:
        ledger.refused.append(work.number)
    except (ActorStopped, trio.TooSlowError):
        ledger.unsure.append(work.number)


async def control(ledger: Ledger, ref: Ref[Work], how: str) -> None:
    ledger.waits += 1
    with suppress(ActorStopped), trio.move_on_after(3.0):
        await (ref.suspend if how == "suspend" else ref.inspect)()
    ledger.waits -= 1


async def play(ledger: Ledger, ref: Ref[Work], script: list[Step]) -> None:
    async with trio.open_nursery() as nursery:
        for number, step in enumerate(script):
            await trio.sleep(step.pause)
            work = Work(number, step.act, step.seconds)
            match step.how:
                case "tell" | "impatient tell":
                    patience = 1.0 if step.how == "impatient tell" else float("inf")
                    nursery.start_soon(partial(tell, ledger, ref, work, patience=patience))
                case "tell_nowait":
                    tell_nowait(ledger, ref, work)
                case "ask":
                    nursery.start_soon(ask, ledger, ref, work)
                case "fault" if not ledger.contexts[-1].ending:
                    ledger.contexts[-1].nursery.start_soon(crash)
                case "suspend" | "inspect":
                    nursery.start_soon(control, ledger, ref, step.how)
                case "resume":
                    ref.resume()
                case _:
                    pass
        ref.resume()


@attrs.frozen
class Setting:
    overflow: Overflow
    capacity: int
    stash_capacity: int
    drain_seconds: float
    traced: bool
    intercepted: bool
    restart: Restart
    play_seconds: float


def drop_some_delay_some(message: object) -> Verdict | Delay:
    assert isinstance(message, Work)
    match message.number % 4:
        case 1:
            return Verdict.DROP
        case 2:
            return Delay(2.0)
        case _:
            return Verdict.PASS


async def perform(ledger: Ledger, setting: Setting, script: list[Step]) -> None:
    events = EventStream()
    supervisor = Supervisor(
        "top",
        intensity=Intensity(8, 20.0),
        backoff=Backoff(1.0, 4.0),
        events=events,
        random=Random(0),  # noqa: S311 - jitter is no secret
    )
    spec = ChildSpec(
        "worker",
        lambda: Worker(ledger),
        setting.restart,
        mailbox_capacity=setting.capacity,
        overflow=setting.overflow,
        stash_capacity=setting.stash_capacity,
        drain_seconds=setting.drain_seconds,
    )
    with events.subscribe(10_000) as news:
        async with trio.open_nursery() as nursery:
            with suppress(SupervisorFailed):
                async with supervisor:
                    ref = await supervisor.start_child(spec)
                    ref.trace(setting.traced)
                    ref.intercept(drop_some_delay_some if setting.intercepted else None)
                    nursery.start_soon(play, ledger, ref, script)
                    await trio.sleep(setting.play_seconds)
        seen = [await news.__anext__() for _ in range(news.statistics().waiting)]
    judge(ledger, setting, ref, [event for event in seen if isinstance(event, DeadLetters)])


def judge(ledger: Ledger, setting: Setting, ref: Ref[Work], dead: list[DeadLetters]) -> None:
    letters = [message for event in dead for message in event.first]
    buried = Counter(message.number for message in letters if isinstance(message, Work))
    ends = Counter(ledger.handled) + buried
    assert set(ends.values()) <= {1}, "handled once or a dead letter once, never both, never twice"
    assert set(ledger.put) <= set(ends), "nothing that was put is lost"
    assert not set(ledger.refused) & set(ends), "nothing that was refused turns up"
    assert set(ends) <= {*ledger.put, *ledger.unsure}
    assert set(ledger.replied) <= set(ledger.handled)
    assert ledger.waits == 0
    statistics = ref.statistics()
    assert statistics.handled == len(ledger.handled)
    assert statistics.dead_letters == sum(buried.values())
    assert (statistics.mailbox_length, statistics.tasks_waiting_send, statistics.stashed) == (0, 0, 0)
    overflowed = sum(event.count for event in dead if event.cause is DeadLetterCause.OVERFLOW)
    if setting.overflow in {Overflow.WAIT, Overflow.FAIL}:
        assert overflowed == 0
    else:
        assert overflowed == statistics.overflowed


steps = st.builds(
    Step,
    pause=st.sampled_from([0.0, 0.0, 0.3, 1.0, 7.0]),
    how=st.sampled_from(
        [
            "tell",
            "tell",
            "tell_nowait",
            "ask",
            "ask",
            "impatient tell",
            "fault",
            "suspend",
            "resume",
            "inspect",
        ]
    ),
    act=st.sampled_from(["handle", "handle", "handle", "crash", "stash", "stash and crash", "unstash"]),
    seconds=st.sampled_from([0.0, 0.0, 0.5, 3.0]),
)

settings_of_a_run = st.builds(
    Setting,
    overflow=st.sampled_from(Overflow),
    capacity=st.integers(1, 3),
    stash_capacity=st.integers(0, 3),
    drain_seconds=st.sampled_from([0.0, 2.0, 1000.0]),
    traced=st.booleans(),
    intercepted=st.booleans(),
    restart=st.sampled_from([Restart.PERMANENT, Restart.PERMANENT, Restart.TEMPORARY]),
    play_seconds=st.sampled_from([1.0, 10.0, 500.0]),
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(settings_of_a_run, st.lists(steps, max_size=30))
def test_nothing_is_lost_and_nothing_doubled(setting: Setting, script: list[Step]) -> None:
    trio.run(perform, Ledger(), setting, script, clock=MockClock(autojump_threshold=0))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(Overflow),
    st.integers(1, 4),
    st.lists(st.sampled_from(["handle", "crash", "yield"]), max_size=40),
)
def test_what_is_handled_is_handled_in_the_order_it_was_put(
    overflow: Overflow, capacity: int, acts: list[str]
) -> None:
    ledger = Ledger()

    async def main() -> None:
        supervisor = Supervisor("top", backoff=Backoff(0.0), intensity=Intensity(1000, 1.0))
        async with supervisor:
            spec = ChildSpec("worker", lambda: Worker(ledger), mailbox_capacity=capacity, overflow=overflow)
            ref = await supervisor.start_child(spec)
            for number, act in enumerate(acts):
                if act == "yield":
                    await trio.lowlevel.checkpoint()
                else:
                    await tell(ledger, ref, Work(number, act, 0.0), patience=float("inf"))
            await trio.sleep(1)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert ledger.handled == sorted(ledger.handled)
    if overflow is Overflow.WAIT:
        assert ledger.handled == [number for number, act in enumerate(acts) if act == "handle"]
