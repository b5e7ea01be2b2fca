"""Supervisors as children of supervisors."""

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    ActorState,
    ActorStopped,
    AutoShutdown,
    ChildExists,
    ChildSpec,
    Context,
    Intensity,
    Names,
    Restart,
    StopKind,
    Supervisor,
    SupervisorFailed,
    SupervisorRef,
    SupervisorSpec,
    SupervisorStopped,
    TooManyChildren,
    watch,
)

from .company import AT_ONCE, Company, Do, crash, nothing


async def staff(supervisor: Supervisor, company: Company, **options: object) -> SupervisorRef:
    """A supervisor ``s`` with the children ``a`` and ``b``, between ``first`` and ``last``."""
    await supervisor.start_child(company.spec("first"))
    nested = await supervisor.start_supervisor(
        SupervisorSpec("s", [company.spec("a"), company.spec("b")], backoff=AT_ONCE, **options)  # type: ignore[arg-type]
    )
    await supervisor.start_child(company.spec("last"))
    return nested


async def test_a_supervisor_starts_and_stops_in_its_place(company: Company) -> None:
    async with Supervisor("top") as supervisor:
        nested = await staff(supervisor, company)
        assert nested.name == "top/s"
        assert [child.name for child in supervisor.children()] == ["first", "s", "last"]
        assert [child.name for child in nested.children()] == ["a", "b"]
        a = nested.child("a")
        assert a is not None
        assert await a.ask(Do(nothing)) == "done"
    assert company.diary == [
        *("first starts", "a starts", "b starts", "last starts"),
        *("last stops", "b stops", "a stops", "first stops"),
    ]
    assert (await nested.wait_stopped()).kind is StopKind.SHUTDOWN
    assert a is not None
    assert (await a.wait_stopped()).kind is StopKind.SHUTDOWN


async def test_a_start_that_fails_below_stops_those_before_it(company: Company) -> None:
    company.failing_starts["c"] = 1
    async with Supervisor("top", intensity=Intensity(0)) as supervisor:
        children = [company.spec(name) for name in "abcd"]
        with pytest.raises(OSError, match="c cannot start") as caught:
            await supervisor.start_supervisor(SupervisorSpec("s", children))
        assert caught.value.__notes__ == ["while actor 'c' was starting", "while actor 's' was starting"]
        assert company.take_diary() == ["a starts", "b starts", "c fails to start", "b stops", "a stops"]
        assert supervisor.children() == ()
        await supervisor.start_supervisor(SupervisorSpec("s", children))


async def test_giving_up_is_a_crash_and_the_restart_makes_new_children(company: Company) -> None:
    names = Names()
    async with Supervisor("top", backoff=AT_ONCE, names=names) as supervisor:
        spec = SupervisorSpec(
            "s",
            [attrs.evolve(company.spec("a"), name="the a")],
            intensity=Intensity(0),
            restart=Restart.TRANSIENT,
        )
        nested = await supervisor.start_supervisor(spec)
        await nested.start_child(company.spec("by hand"))
        before = nested.child("a")
        assert before is not None
        assert names.find("the a") is not None
        await before.tell(Do(crash))
        assert (await before.wait_stopped()).kind is StopKind.GAVE_UP
        await wait_all_tasks_blocked()
        after, named = nested.child("a"), names.find("the a")
        assert after is not None
        assert named is not None
        assert await after.ask(Do(nothing)) == await named.ask(Do(nothing)) == "done"
        assert [child.name for child in nested.children()] == ["a"]
        statistics = nested.statistics()
        assert (statistics.state, statistics.incarnation) == (ActorState.RUNNING, 2)
        assert statistics.last_error is not None
        assert statistics.last_error.startswith("SupervisorFailed: supervisor 'top/s' gave up: 1 failure")
        assert supervisor.statistics().recent_restarts == 1


async def test_failures_go_up_from_level_to_level(company: Company) -> None:
    inner = SupervisorSpec("inner", [company.spec("a")], intensity=Intensity(1, 5.0), backoff=AT_ONCE)
    outer = SupervisorSpec("outer", [inner], intensity=Intensity(1, 5.0), backoff=AT_ONCE)
    crashes = 0
    with pytest.raises(SupervisorFailed, match=r"'top' gave up: 1 failure .*'outer'") as caught:
        async with Supervisor("top", intensity=Intensity(0)) as supervisor:
            nested = (await supervisor.start_supervisor(outer)).supervisor("inner")
            while nested is not None:
                leaf = nested.child("a")
                assert leaf is not None
                await leaf.tell(Do(crash))
                crashes += 1
                await wait_all_tasks_blocked()
                above = supervisor.supervisor("outer")
                assert above is not None
                nested = above.supervisor("inner")
    assert crashes == 4
    causes = []
    cause: BaseException | None = caught.value
    while cause is not None:
        causes.append(type(cause))
        cause = cause.__cause__
    assert causes == [SupervisorFailed, SupervisorFailed, SupervisorFailed, ValueError]


async def test_an_auto_shutdown_is_a_normal_end(company: Company) -> None:
    worker = company.spec("work", restart=Restart.TEMPORARY, significant=True)
    spec = SupervisorSpec(
        "s", [worker], restart=Restart.TRANSIENT, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT
    )
    async with Supervisor("top") as supervisor:
        nested = await supervisor.start_supervisor(spec)
        seen = watch(nested.ref)
        company.contexts["work"].stop()
        assert (await seen.wait()).kind is StopKind.NORMAL
        assert nested.children() == supervisor.children() == ()
        with pytest.raises(SupervisorStopped, match="'top/s' is not running"):
            await nested.start_child(worker)


async def test_a_handle_serves_through_restarts(company: Company, autojump_clock: MockClock) -> None:
    async with Supervisor("top") as supervisor:
        nested = await staff(supervisor, company, intensity=Intensity(0))
        again = supervisor.supervisor("s")
        assert again is not None
        assert again.statistics() == nested.statistics()
        assert supervisor.supervisor("first") is None
        assert supervisor.supervisor("nobody") is nested.supervisor("a") is None
        child = nested.child("a")
        assert child is not None
        await child.tell(Do(crash))
        await wait_all_tasks_blocked()
        assert nested.statistics().state is ActorState.RESTARTING
        assert nested.children() == ()
        assert nested.child("a") is None
        with pytest.raises(SupervisorStopped):
            await nested.stop_child("a")
        await trio.sleep(10)
        with pytest.raises(ChildExists, match="'top/s' already has a child 'a'"):
            await nested.start_child(company.spec("a"))
        await nested.stop_child("a")
        assert [child.name for child in nested.children()] == ["b"]
        deeper = await nested.start_supervisor(SupervisorSpec("deeper", [company.spec("c")]))
        assert deeper.name == "top/s/deeper"
        assert nested.statistics().children.supervisors == 1


async def test_a_cancelled_start_leaves_nothing(company: Company) -> None:
    class NeverStarts(Actor[Do]):
        async def on_start(self, context: Context[Do]) -> None:
            await trio.sleep_forever()

        async def handle(self, message: Do) -> None:
            raise AssertionError

    async with Supervisor("top") as supervisor:
        tasks = trio.lowlevel.current_statistics().tasks_living
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                spec = SupervisorSpec("s", [company.spec("a"), ChildSpec("never", NeverStarts)])
                nursery.start_soon(supervisor.start_supervisor, spec)
                await wait_all_tasks_blocked()
                scope.cancel()
        await wait_all_tasks_blocked()
        assert supervisor.children() == ()
        assert company.diary == ["a starts", "a stops"]
        assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_a_bounded_grace_forces_what_is_left_below(company: Company, autojump_clock: MockClock) -> None:
    inner = SupervisorSpec("inner", [company.spec("a", stop_grace_seconds=1000.0)])
    spec = SupervisorSpec("s", [company.spec("b", stop_grace_seconds=1000.0), inner], stop_grace_seconds=3.0)
    async with Supervisor("top") as supervisor:
        nested = await supervisor.start_supervisor(spec)
        below = nested.supervisor("inner")
        assert below is not None
        for ref in (nested.child("b"), below.child("a")):
            assert ref is not None
            await ref.tell(Do(trio.sleep_forever))
        await wait_all_tasks_blocked()
    assert trio.current_time() == pytest.approx(3.0)


def test_what_is_no_exception_goes_through_all_levels(company: Company) -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        async with Supervisor("top") as supervisor:
            nested = await staff(supervisor, company)
            child = nested.child("b")
            assert child is not None
            await child.tell(Do(interrupted))
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert company.diary[4:] == ["a stops", "last stops", "first stops"]


async def test_a_child_starts_siblings_below(company: Company) -> None:
    async with Supervisor("top") as supervisor:
        nested = await staff(supervisor, company)
        child = nested.child("a")
        assert child is not None

        async def hire() -> str:
            return (await nested.start_child(company.spec("hired"))).name

        assert await child.ask(Do(hire)) == "hired"


async def test_a_limit_on_children_counts_those_that_restart(
    company: Company, autojump_clock: MockClock
) -> None:
    async with Supervisor("top", max_children=2) as supervisor:
        for name in "ab":
            await supervisor.start_child(company.spec(name))
        ref = supervisor.child("a")
        assert ref is not None
        await ref.tell(Do(crash))
        await wait_all_tasks_blocked()
        counts = supervisor.statistics().children
        assert (counts.specs, counts.active, counts.restarting, counts.workers) == (2, 1, 1, 2)
        with pytest.raises(TooManyChildren, match="'top' has 2 children already"):
            await supervisor.start_child(company.spec("c"))
        await supervisor.stop_child("a")
        await supervisor.start_child(company.spec("c"))


def test_declarations_that_make_no_sense_are_refused(company: Company) -> None:
    with pytest.raises(ValueError, match="'s' has several children 'a'"):
        SupervisorSpec("s", [company.spec("a"), company.spec("a")])
    with pytest.raises(ValueError, match="starts with 2 children, but its max_children is 1"):
        SupervisorSpec("s", [company.spec("a"), company.spec("b")], max_children=1)
    with pytest.raises(ValueError, match="'s' is permanent and significant"):
        SupervisorSpec("s", significant=True)


async def test_nothing_can_be_told_to_a_supervisor(
    company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    names = Names()
    async with Supervisor("top", names=names) as supervisor:
        nested = await staff(supervisor, company, name="the staff")
        found = names.find("the staff")
        assert found is not None
        await found.tell("hello")
        await wait_all_tasks_blocked()
        assert "supervisor top/s takes no messages" in caplog.text
        assert nested.statistics().restarts == 0
    assert found is not None
    with pytest.raises(ActorStopped):
        await found.tell("hello")
