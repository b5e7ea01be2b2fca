"""A supervisor whose work is done ends by itself."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scriptorium.runtime import (
    AutoShutdown,
    EventStream,
    Restart,
    StopKind,
    Strategy,
    Supervisor,
    SupervisorShutDown,
    SupervisorSpec,
)
from scriptorium.testing import listen

from .company import AT_ONCE, Company, Do, crash


async def end(company: Company, name: str) -> None:
    company.contexts[name].stop()
    await wait_all_tasks_blocked()


async def test_the_block_is_cancelled_and_left_without_an_error(company: Company) -> None:
    events = EventStream()
    left: list[str] = []
    async with listen(events, SupervisorShutDown) as heard:
        async with Supervisor("top", auto_shutdown=AutoShutdown.ANY_SIGNIFICANT, events=events) as supervisor:
            for name in "ab":
                await supervisor.start_child(company.spec(name))
            spec = company.spec("work", restart=Restart.TRANSIENT, significant=True)
            work = await supervisor.start_child(spec)
            company.take_diary()
            assert not supervisor.shut_down
            company.contexts["work"].stop()
            try:
                await trio.sleep_forever()
            finally:
                left.append("block")
        left.append("supervisor")
    assert supervisor.shut_down
    assert left == ["block", "supervisor"]
    assert company.diary == ["work stops", "b stops", "a stops"]
    assert (await work.wait_stopped()).kind is StopKind.NORMAL
    assert heard.received == (SupervisorShutDown("top", "work"),)


async def test_a_cancellation_from_outside_is_no_shut_down(company: Company) -> None:
    with trio.CancelScope() as scope:
        async with Supervisor("top", auto_shutdown=AutoShutdown.ANY_SIGNIFICANT) as supervisor:
            await supervisor.start_child(company.spec("work", restart=Restart.TEMPORARY, significant=True))
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert not supervisor.shut_down


async def test_an_error_of_the_block_that_is_cancelled_comes_out(company: Company) -> None:
    with pytest.raises(OSError, match="while leaving"):
        async with Supervisor("top", auto_shutdown=AutoShutdown.ANY_SIGNIFICANT) as supervisor:
            await supervisor.start_child(company.spec("work", restart=Restart.TEMPORARY, significant=True))
            company.contexts["work"].stop()
            try:
                await trio.sleep_forever()
            finally:
                raise OSError("while leaving")
    assert supervisor.shut_down


@pytest.mark.parametrize(
    ("restart", "how", "ends"),
    [
        (Restart.TRANSIENT, "end", True),
        (Restart.TRANSIENT, "crash", False),
        (Restart.TEMPORARY, "end", True),
        (Restart.TEMPORARY, "crash", True),
    ],
)
async def test_which_ends_count(company: Company, restart: Restart, how: str, ends: bool) -> None:
    async with Supervisor("top", auto_shutdown=AutoShutdown.ANY_SIGNIFICANT, backoff=AT_ONCE) as supervisor:
        ref = await supervisor.start_child(company.spec("a", restart=restart, significant=True))
        if how == "crash":
            await ref.tell(Do(crash))
            await wait_all_tasks_blocked()
        else:
            await end(company, "a")
    assert supervisor.shut_down is ends


async def test_the_last_significant_child_counts(company: Company) -> None:
    async with Supervisor("top", auto_shutdown=AutoShutdown.ALL_SIGNIFICANT) as supervisor:
        await supervisor.start_child(company.spec("other"))
        for name in "abc":
            spec = company.spec(name, restart=Restart.TRANSIENT, significant=True)
            await supervisor.start_child(spec)
        await end(company, "a")
        await supervisor.stop_child("b")
        assert not supervisor.shut_down
        await end(company, "c")
    assert supervisor.shut_down


async def test_a_child_that_is_stopped_does_not_count(company: Company) -> None:
    async with Supervisor(
        "top",
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
        strategy=Strategy.ONE_FOR_ALL,
        backoff=AT_ONCE,
    ) as supervisor:
        await supervisor.start_child(company.spec("a", restart=Restart.TRANSIENT, significant=True))
        await supervisor.stop_child("a")
        temporary = await supervisor.start_child(
            company.spec("t", restart=Restart.TEMPORARY, significant=True)
        )
        ref = await supervisor.start_child(company.spec("b"))
        await ref.tell(Do(crash))
        assert (await temporary.wait_stopped()).kind is StopKind.SHUTDOWN
        await wait_all_tasks_blocked()
        assert [child.name for child in supervisor.children()] == ["b"]
    assert not supervisor.shut_down


def test_significance_that_means_nothing_is_refused(company: Company) -> None:
    with pytest.raises(ValueError, match="'a' is permanent and significant"):
        company.spec("a", significant=True)
    spec = company.spec("a", restart=Restart.TRANSIENT, significant=True)
    with pytest.raises(ValueError, match="supervisor 's' never shuts down by itself"):
        SupervisorSpec("s", [spec])
    SupervisorSpec("s", [spec], auto_shutdown=AutoShutdown.ALL_SIGNIFICANT)


async def test_a_significant_child_needs_a_supervisor_that_shuts_down(company: Company) -> None:
    async with Supervisor("top") as supervisor:
        with pytest.raises(ValueError, match="give it an auto_shutdown"):
            await supervisor.start_child(company.spec("a", restart=Restart.TRANSIENT, significant=True))
