"""What a crash is, and what it keeps: ref, mailbox, policy, delay; what never is one."""

import signal
from random import Random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorStopped,
    Backoff,
    ChildCrashed,
    ChildRestarting,
    ChildSpec,
    ChildStarted,
    DeadLetterCause,
    DeadLetters,
    EventStream,
    Intensity,
    Ref,
    Restart,
    StopKind,
    Supervisor,
)

from .company import AT_ONCE, Company, Do, crash, nothing, start_all


async def test_a_crash_keeps_the_ref_and_the_mailbox(company: Company) -> None:
    events = EventStream()
    handled: list[int] = []

    def count(number: int) -> Do:
        async def work() -> None:
            handled.append(number)

        return Do(work)

    bad = Do(crash)
    with events.subscribe(16) as news:
        async with Supervisor("top", backoff=AT_ONCE, events=events) as supervisor:
            ref = await supervisor.start_child(company.spec("a"))
            for message in (count(1), bad, count(2), count(3)):
                ref.tell_nowait(message)
            assert await ref.ask(Do(nothing)) == "done"
            statistics = ref.statistics()
        seen = [await news.__anext__() for _ in range(news.statistics().waiting)]
    assert handled == [1, 2, 3]
    assert (statistics.restarts, statistics.incarnation, statistics.dead_letters) == (1, 2, 1)
    assert statistics.last_error == "ValueError: crash"
    started, crashed, dead, restarting, again, _stopped = seen
    assert started == ChildStarted("top", "a", 1)
    assert isinstance(crashed, ChildCrashed)
    assert isinstance(crashed.error, ValueError)
    assert dead == DeadLetters("top", "a", 1, (bad,), DeadLetterCause.CRASH)
    assert restarting == ChildRestarting("top", "a", 1, 0.0)
    assert again == ChildStarted("top", "a", 2)


@pytest.mark.parametrize(
    ("restart", "how", "restarted"),
    [
        (Restart.PERMANENT, "crash", True),
        (Restart.PERMANENT, "end", True),
        (Restart.TRANSIENT, "crash", True),
        (Restart.TRANSIENT, "end", False),
        (Restart.TEMPORARY, "crash", False),
        (Restart.TEMPORARY, "end", False),
    ],
)
async def test_the_restart_policies(company: Company, restart: Restart, how: str, restarted: bool) -> None:
    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        ref = await supervisor.start_child(company.spec("a", restart=restart))

        async def end() -> None:
            company.contexts["a"].stop()

        await ref.tell(Do(crash if how == "crash" else end))
        if restarted:
            assert await ref.ask(Do(nothing)) == "done"
        else:
            reason = await ref.wait_stopped()
            assert reason.kind is (StopKind.CRASHED if how == "crash" else StopKind.NORMAL)
            assert isinstance(reason.error, ValueError) is (how == "crash")


async def test_an_error_in_the_nursery_is_a_crash_of_the_actor(company: Company) -> None:
    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        refs = await start_all(supervisor, company, "a")
        company.contexts["a"].nursery.start_soon(crash)
        await wait_all_tasks_blocked()
        assert await refs["a"].ask(Do(nothing)) == "done"
        assert refs["a"].statistics().restarts == 1
        assert refs["a"].statistics().dead_letters == 0  # it was idle


async def test_groups_of_one_are_unwrapped_and_larger_ones_kept(company: Company) -> None:
    async def nested() -> None:
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            inner.start_soon(crash)
            outer.start_soon(trio.sleep_forever)

    async def several() -> None:
        raise ExceptionGroup("both", [ValueError("one"), OSError("two")])

    async with Supervisor("top", backoff=AT_ONCE) as supervisor:
        refs = await start_all(supervisor, company, "a")
        with pytest.raises(ValueError, match="crash"):
            await refs["a"].ask(Do(nested))
        with pytest.raises(ExceptionGroup, match="both"):
            await refs["a"].ask(Do(several))


async def test_an_error_while_being_cancelled_by_the_stop_is_no_restart(company: Company) -> None:
    async def fails_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in finally")

    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(company.spec("a", stop_grace_seconds=0))
        await ref.tell(Do(fails_when_cancelled))
        await wait_all_tasks_blocked()
    reason = await ref.wait_stopped()
    assert (reason.kind, str(reason.error)) == (StopKind.SHUTDOWN, "in finally")
    assert ref.statistics().restarts == 0


async def test_cancelling_its_own_nursery_is_an_end_not_a_crash(company: Company) -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(company.spec("a", restart=Restart.TRANSIENT))
        company.contexts["a"].nursery.cancel_scope.cancel()
        assert (await ref.wait_stopped()).kind is StopKind.NORMAL


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_is_never_a_crash(interrupt: type[BaseException]) -> None:
    company = Company()
    stopped: list[StopKind] = []

    async def interrupted() -> None:
        raise interrupt

    async def ask(ref: Ref[Do]) -> None:
        with pytest.raises(ActorStopped) as end:
            await ref.ask(Do(nothing))
        stopped.append(end.value.reason.kind)

    async def main() -> None:
        async with trio.open_nursery() as nursery, Supervisor("top") as supervisor:
            refs = await start_all(supervisor, company, "ab")
            await refs["a"].tell(Do(interrupted))
            nursery.start_soon(ask, refs["a"])
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        trio.run(main)
    assert caught.group_contains(interrupt, depth=1)
    assert company.diary == ["b stops"]
    assert stopped == [StopKind.INTERRUPTED]


def test_ctrl_c_while_stopping_forgoes_the_grace() -> None:
    @trio.lowlevel.enable_ki_protection
    def press_ctrl_c() -> None:  # protected, so that trio delivers it to the main task, which is stopping
        signal.raise_signal(signal.SIGINT)

    class Stubborn(Actor[Do]):
        async def handle(self, message: Do) -> object:
            return await message.work()

        async def on_stop(self) -> None:
            press_ctrl_c()
            await trio.sleep_forever()

    async def main() -> None:
        async with Supervisor("top") as supervisor:
            await supervisor.start_child(ChildSpec("stubborn", Stubborn, stop_grace_seconds=1e6))

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)


async def test_the_delays_grow_and_the_same_seed_repeats_them(autojump_clock: MockClock) -> None:
    async def delays() -> list[float]:
        company, events = Company(), EventStream()
        random = Random(3)  # noqa: S311 - jitter is no secret
        backoff = Backoff(1.0, 100.0, stable_seconds=1000.0)
        with events.subscribe(64) as news:
            async with Supervisor(
                "top", intensity=Intensity(5), backoff=backoff, events=events, random=random
            ) as supervisor:
                refs = await start_all(supervisor, company, "a")
                for _ in range(5):
                    await refs["a"].tell(Do(crash))
                    await refs["a"].ask(Do(nothing))
            seen = [await news.__anext__() for _ in range(news.statistics().waiting)]
        return [event.delay_seconds for event in seen if isinstance(event, ChildRestarting)]

    random = Random(3)  # noqa: S311
    assert await delays() == await delays() == [random.uniform(0, 2.0**power) for power in range(5)]
