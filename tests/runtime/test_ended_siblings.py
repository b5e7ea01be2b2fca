"""Transient children that ended normally: as in OTP they come back when their siblings are restarted."""

import attrs
import pytest
from trio.testing import wait_all_tasks_blocked

from scriptorium.runtime import ActorStopped, Names, Ref, Restart, StopKind, Strategy, Supervisor

from .company import AT_ONCE, Company, Do, crash, nothing, start_all


async def end_normally(supervisor: Supervisor, company: Company, name: str) -> Ref[Do]:
    spec = attrs.evolve(company.spec(name, restart=Restart.TRANSIENT), name=f"the {name}")
    ref = await supervisor.start_child(spec)
    company.contexts[name].stop()
    assert (await ref.wait_stopped()).kind is StopKind.NORMAL
    return ref


@pytest.mark.parametrize(
    ("strategy", "comes_back"),
    [(Strategy.ONE_FOR_ONE, False), (Strategy.REST_FOR_ONE, True), (Strategy.ONE_FOR_ALL, True)],
)
async def test_it_comes_back_with_a_sibling_before_it(
    company: Company, strategy: Strategy, comes_back: bool
) -> None:
    names = Names()
    async with Supervisor("top", strategy=strategy, backoff=AT_ONCE, names=names) as supervisor:
        refs = await start_all(supervisor, company, "a")
        ended = await end_normally(supervisor, company, "t")
        await start_all(supervisor, company, "b")
        assert supervisor.child("t") is names.find("the t") is None
        assert [child.name for child in supervisor.children()] == ["a", "b"]
        await refs["a"].tell(Do(crash))
        await wait_all_tasks_blocked()
        back = supervisor.child("t")
        assert (back is not None) is comes_back
        with pytest.raises(ActorStopped):
            await ended.tell(Do(nothing))
        if back is not None:
            named = names.find("the t")
            assert named is not None
            assert await named.ask(Do(nothing)) == await back.ask(Do(nothing)) == "done"
            assert [child.name for child in supervisor.children()] == ["a", "t", "b"]


async def test_under_rest_for_one_a_later_sibling_does_not_bring_it_back(company: Company) -> None:
    async with Supervisor("top", strategy=Strategy.REST_FOR_ONE, backoff=AT_ONCE) as supervisor:
        await end_normally(supervisor, company, "t")
        refs = await start_all(supervisor, company, "a")
        await refs["a"].tell(Do(crash))
        await wait_all_tasks_blocked()
        assert supervisor.child("t") is None


async def test_a_start_that_fails_when_it_comes_back_counts_and_is_tried_again(company: Company) -> None:
    async with Supervisor("top", strategy=Strategy.ONE_FOR_ALL, backoff=AT_ONCE) as supervisor:
        refs = await start_all(supervisor, company, "a")
        await end_normally(supervisor, company, "t")
        company.failing_starts["t"] = 1
        await refs["a"].tell(Do(crash))
        await wait_all_tasks_blocked()
        assert supervisor.child("t") is not None
        assert supervisor.statistics().recent_restarts == 2


async def test_its_id_is_free_and_stop_child_gives_up_its_place(company: Company) -> None:
    async with Supervisor("top", strategy=Strategy.ONE_FOR_ALL, backoff=AT_ONCE) as supervisor:
        await end_normally(supervisor, company, "t")
        await end_normally(supervisor, company, "u")
        assert supervisor.statistics().children.specs == 2
        refs = await start_all(supervisor, company, "at")
        await supervisor.stop_child("u")
        assert supervisor.statistics().children.specs == 2
        company.take_diary()
        await refs["a"].tell(Do(crash))
        await wait_all_tasks_blocked()
        assert company.diary == ["t stops", "a starts", "t starts"]


async def test_it_stays_away_when_its_name_was_taken(
    company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    async with Supervisor("top", strategy=Strategy.ONE_FOR_ALL, backoff=AT_ONCE) as supervisor:
        await end_normally(supervisor, company, "t")
        heir = attrs.evolve(company.spec("heir"), name="the t")
        ref = await supervisor.start_child(heir)
        await ref.tell(Do(crash))
        await wait_all_tasks_blocked()
        assert await ref.ask(Do(nothing)) == "done"
        assert supervisor.child("t") is None
        assert "actor t of top is not started again: the name 'the t' is taken" in caplog.text
