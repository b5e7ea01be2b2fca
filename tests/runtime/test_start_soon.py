"""Children that are started without waiting for them, by a supervisor and by one below it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorState,
    ActorStopped,
    AutoShutdown,
    Backoff,
    ChildCrashed,
    ChildExists,
    ChildSpec,
    ChildStopped,
    DeadLetters,
    EventStream,
    Intensity,
    NameTaken,
    Restart,
    StartTimedOut,
    StopKind,
    Strategy,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
    SupervisorStopped,
    TooManyChildren,
    watch,
)

from .clerk import seen_on
from .company import AT_ONCE, Company, Do, crash, nothing

Team = Supervisor | SupervisorRef
Opens = Callable[..., AbstractAsyncContextManager[Team]]


@asynccontextmanager
async def at_the_top(events: EventStream | None = None, **options: Any) -> AsyncIterator[Team]:
    async with Supervisor("team", events=events, **options) as supervisor:
        yield supervisor


@asynccontextmanager
async def below(events: EventStream | None = None, **options: Any) -> AsyncIterator[Team]:
    async with Supervisor("top", events=events) as supervisor:
        yield await supervisor.start_supervisor(SupervisorSpec("team", **options))


@pytest.fixture(params=[at_the_top, below])
def team(request: pytest.FixtureRequest) -> Opens:
    opens: Opens = request.param
    return opens


async def test_what_is_told_and_asked_meanwhile_waits_for_the_start(
    team: Opens, company: Company, nursery: trio.Nursery
) -> None:
    company.gates["a"] = trio.Event()
    replies: list[object] = []

    async def ask() -> None:
        replies.append(await ref.ask(Do(nothing)))

    async with team() as supervisor:
        ref = supervisor.start_child_soon(company.spec("a"))
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        assert ref.statistics().state is ActorState.STARTING
        assert ref.statistics().mailbox_length == 1
        company.gates["a"].set()
        await wait_all_tasks_blocked()
        assert ref.statistics().state is ActorState.RUNNING
        assert supervisor.child("a") == ref
    assert (company.diary, replies) == (["a starts", "a stops"], ["done"])


async def test_the_order_is_that_of_the_calls_and_none_waits_for_another(
    team: Opens, company: Company
) -> None:
    company.gates["a"] = trio.Event()
    async with team() as supervisor:
        for name in "abc":
            supervisor.start_child_soon(company.spec(name))
        await wait_all_tasks_blocked()
        assert sorted(company.take_diary()) == ["b starts", "c starts"]
        company.gates["a"].set()
        await supervisor.start_child(company.spec("d"))
        assert [child.name for child in supervisor.children()] == ["a", "b", "c", "d"]
        assert sorted(company.take_diary()) == ["a starts", "d starts"]
    assert company.diary == ["d stops", "c stops", "b stops", "a stops"]


async def test_a_start_that_fails_is_published_and_logged_and_leaves_no_child(
    team: Opens, company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    events = EventStream()
    company.failing_starts["a"] = 1
    with events.subscribe(64) as news:
        async with team(events, intensity=Intensity(0)) as supervisor:
            ref = supervisor.start_child_soon(company.spec("a"))
            ref.tell_nowait(Do(nothing))
            with pytest.raises(ActorStopped) as stopped:
                await ref.ask(Do(nothing))
            assert supervisor.children() == ()
            with pytest.raises(ActorStopped):
                await ref.tell(Do(nothing))
            supervisor.start_child_soon(company.spec("a"))
            await wait_all_tasks_blocked()
            crashes = await seen_on(news, ChildCrashed)
    reason = stopped.value.reason
    assert (reason.kind, str(reason.error)) == (StopKind.CRASHED, "a cannot start")
    assert ref.statistics().dead_letters == 2
    assert [(crashed.child, crashed.error) for crashed in crashes] == [("a", reason.error)]
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [reason.error]
    assert company.diary == ["a fails to start", "a starts", "a stops"]


async def test_a_start_that_takes_too_long_has_failed(
    team: Opens, company: Company, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    company.gates["a"] = trio.Event()
    async with team(intensity=Intensity(0)) as supervisor:
        ref = supervisor.start_child_soon(company.spec("a", start_limit_seconds=7.0))
        reason = await ref.wait_stopped()
        assert trio.current_time() == pytest.approx(7.0)
        assert supervisor.children() == ()
    assert isinstance(reason.error, StartTimedOut)
    assert "actor 'a' had not started after 7 s" in caplog.text


async def test_it_can_be_stopped_while_it_starts(team: Opens, company: Company) -> None:
    company.gates["a"] = trio.Event()
    async with team() as supervisor:
        ref = supervisor.start_child_soon(company.spec("a"))
        await wait_all_tasks_blocked()
        await supervisor.stop_child("a")
        assert (await watch(ref).wait()).kind is StopKind.SHUTDOWN
        assert supervisor.children() == ()
    assert company.diary == []


async def test_stopped_before_its_first_step_it_never_starts(team: Opens, company: Company) -> None:
    events = EventStream()
    with events.subscribe(64) as news:
        async with team(events) as supervisor:
            ref = supervisor.start_child_soon(company.spec("a", drain_seconds=10.0))
            ref.tell_nowait(Do(nothing))
            await supervisor.stop_child("a")
        seen = [event for event in await seen_on(news, object) if getattr(event, "child", None) == "a"]
    reason = await ref.wait_stopped()
    assert (reason.kind, reason.error) == (StopKind.SHUTDOWN, None)
    assert [type(event) for event in seen] == [DeadLetters, ChildStopped]
    assert company.diary == []


async def test_leaving_ends_a_start(team: Opens, company: Company) -> None:
    company.gates["b"] = trio.Event()
    async with team() as supervisor:
        refs = [supervisor.start_child_soon(company.spec(name)) for name in "abc"]
        await wait_all_tasks_blocked()
        company.take_diary()
    assert company.diary == ["c stops", "a stops"]
    assert [ref.stop_reason.kind for ref in refs if ref.stop_reason] == [StopKind.SHUTDOWN] * 3


async def test_what_takes_no_start_to_see_is_raised_at_once(team: Opens, company: Company) -> None:
    async with team(max_children=2) as supervisor:
        ref = supervisor.start_child_soon(attrs.evolve(company.spec("a"), name="n"))
        with pytest.raises(ChildExists):
            supervisor.start_child_soon(company.spec("a"))
        with pytest.raises(NameTaken, match="'n' is taken"):
            supervisor.start_child_soon(attrs.evolve(company.spec("b"), name="n"))
        with pytest.raises(ValueError, match="auto_shutdown"):
            supervisor.start_child_soon(company.spec("b", significant=True, restart=Restart.TEMPORARY))
        assert [child.name for child in supervisor.children()] == ["a"]
        supervisor.start_child_soon(company.spec("b"))
        with pytest.raises(TooManyChildren):
            supervisor.start_child_soon(company.spec("c"))
        assert await ref.ask(Do(nothing)) == "done"
        assert sorted(company.diary) == ["a starts", "b starts"]


async def test_a_name_leads_to_it_once_it_has_started_and_is_free_after_a_failed_start(
    company: Company,
) -> None:
    company.gates["a"] = trio.Event()
    company.failing_starts["a"] = 1
    async with Supervisor("top") as supervisor:
        supervisor.start_child_soon(attrs.evolve(company.spec("a"), name="n"))
        await wait_all_tasks_blocked()
        assert supervisor.names.find("n") is None
        company.gates["a"].set()
        await wait_all_tasks_blocked()
        ref = supervisor.start_child_soon(attrs.evolve(company.spec("b"), name="n"))
        assert await supervisor.names.wait("n") == ref


async def test_after_the_end_it_is_refused(team: Opens, company: Company) -> None:
    async with team() as supervisor:
        pass
    with pytest.raises(SupervisorStopped, match="team' is not running"):
        supervisor.start_child_soon(company.spec("b"))
    assert company.diary == []


async def test_while_the_children_stop_it_is_refused(team: Opens, company: Company) -> None:
    refused: list[SupervisorStopped] = []

    class Hires(Actor[Do]):
        async def handle(self, message: Do) -> None:
            raise AssertionError

        async def on_stop(self) -> None:
            with pytest.raises(SupervisorStopped) as caught:
                supervisor.start_child_soon(company.spec("b"))
            refused.append(caught.value)

    async with team() as supervisor:
        await supervisor.start_child(ChildSpec("a", Hires))
    assert len(refused) == 1
    assert company.diary == []


async def test_while_its_supervisor_restarts_it_is_refused(
    company: Company, autojump_clock: MockClock
) -> None:
    async with Supervisor("top", backoff=Backoff(60.0)) as supervisor:
        nested = await supervisor.start_supervisor(SupervisorSpec("s", intensity=Intensity(0)))
        ref = nested.start_child_soon(company.spec("a"))
        await ref.tell(Do(crash))
        await ref.wait_stopped()
        await wait_all_tasks_blocked()
        with pytest.raises(SupervisorStopped, match="'top/s' is not running"):
            nested.start_child_soon(company.spec("b"))


async def test_an_actor_starts_a_sibling_soon_in_its_handler(team: Opens, company: Company) -> None:
    async with team() as supervisor:

        async def hire() -> object:
            return supervisor.start_child_soon(company.spec("b"))

        await (await supervisor.start_child(company.spec("a"))).ask(Do(hire))
        await wait_all_tasks_blocked()
    assert company.diary == ["a starts", "b starts", "b stops", "a stops"]


async def test_once_started_it_is_restarted_as_any_child(team: Opens, company: Company) -> None:
    async with team(backoff=AT_ONCE) as supervisor:
        ref = supervisor.start_child_soon(company.spec("a"))
        ref.tell_nowait(Do(crash))
        assert await ref.ask(Do(nothing)) == "done"
        assert ref.statistics().restarts == 1
    assert company.diary == ["a starts", "a starts", "a stops"]


async def test_a_siblings_crash_has_the_start_begun_again_with_the_group(
    team: Opens, company: Company
) -> None:
    async with team(strategy=Strategy.ONE_FOR_ALL, backoff=AT_ONCE) as supervisor:
        first = await supervisor.start_child(company.spec("first"))
        company.gates["soon"] = trio.Event()
        ref = supervisor.start_child_soon(company.spec("soon"))
        await wait_all_tasks_blocked()
        company.take_diary()
        await first.tell(Do(crash))
        await wait_all_tasks_blocked()
        assert company.diary == ["first starts"]
        company.gates["soon"].set()
        assert await ref.ask(Do(nothing)) == "done"
        assert ref.statistics().incarnation == 2


async def test_the_end_of_a_significant_one_ends_the_team(company: Company) -> None:
    """Also when nothing but such children, started soon, keeps the block busy."""
    async with Supervisor("top", auto_shutdown=AutoShutdown.ANY_SIGNIFICANT) as supervisor:
        ref = supervisor.start_child_soon(company.spec("a", significant=True, restart=Restart.TEMPORARY))
        ref.tell_nowait(Do(crash))
        await trio.sleep_forever()
    assert supervisor.shut_down
    assert (await ref.wait_stopped()).kind is StopKind.CRASHED
