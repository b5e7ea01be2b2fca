"""Names lead to actors that have started and have not ended."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import Backoff, ChildSpec, Names, NameTaken, Ref, Restart, Supervisor

from .clerk import Clerk, Diary, Do, Note, clerk, crash


async def test_a_name_is_found_from_the_start_to_the_end(autojump_clock: MockClock) -> None:
    names, diary = Names(), Diary()
    async with Supervisor("top", names=names, backoff=Backoff(5.0)) as supervisor:
        assert supervisor.names is names
        assert names.find("the clerk") is None
        ref = await supervisor.start_child(clerk(diary, name="the clerk"))
        await supervisor.start_child(clerk(Diary(), "nameless"))
        assert names.find("the clerk") == ref
        assert names.registered() == {"the clerk": ref}
        await ref.tell(Do(crash))
        await wait_all_tasks_blocked()
        assert ref.statistics().state.value == "restarting"
        assert names.find("the clerk") == ref
        await trio.sleep(10)
        found = await names.wait("the clerk")
        assert await found.ask(Note("after the restart")) == "noted after the restart"
        await supervisor.stop_child("clerk")
        assert names.find("the clerk") is None
        assert names.registered() == {}


async def test_a_name_is_free_again_after_the_end() -> None:
    async with Supervisor("top") as supervisor:
        old = await supervisor.start_child(clerk(Diary(), name="n"))
        with pytest.raises(NameTaken, match="'n' is taken by an actor that has not ended"):
            await supervisor.start_child(clerk(Diary(), "other", name="n"))
        assert len(supervisor.children()) == 1
        await supervisor.stop_child("clerk")
        new = await supervisor.start_child(clerk(Diary(), "other", name="n"))
        assert supervisor.names.find("n") == new != old


async def test_two_supervisors_can_share_names() -> None:
    names = Names()
    async with Supervisor("a", names=names) as a, Supervisor("b", names=names) as b:
        ref = await a.start_child(clerk(Diary(), name="n"))
        with pytest.raises(NameTaken):
            await b.start_child(clerk(Diary(), name="n"))
        assert b.names.find("n") == ref


async def test_waiting_for_a_name(nursery: trio.Nursery) -> None:
    found: list[Ref[object]] = []

    async def wait(names: Names) -> None:
        found.append(await names.wait("n"))

    async with Supervisor("top") as supervisor:
        nursery.start_soon(wait, supervisor.names)
        nursery.start_soon(wait, supervisor.names)
        with trio.move_on_after(0):
            await supervisor.names.wait("n")
        await supervisor.start_child(clerk(Diary(), "another", name="m"))
        await wait_all_tasks_blocked()
        assert found == []
        ref = await supervisor.start_child(clerk(Diary(), name="n"))
        await wait_all_tasks_blocked()
        assert found == [ref, ref]


async def test_a_name_whose_first_start_fails_was_never_there() -> None:
    async with Supervisor("top") as supervisor:

        def broken() -> Clerk:
            assert supervisor.names.find("n") is None
            raise LookupError("no such actor")

        with pytest.raises(LookupError):
            await supervisor.start_child(ChildSpec("clerk", broken, name="n"))
        assert supervisor.names.find("n") is None
        await supervisor.start_child(clerk(Diary(), name="n"))


async def test_the_name_goes_with_a_crash_that_is_the_end() -> None:
    async with Supervisor("top") as supervisor:
        ref = await supervisor.start_child(clerk(Diary(), name="n", restart=Restart.TEMPORARY))
        await ref.tell(Do(crash))
        await ref.wait_stopped()
        assert supervisor.names.find("n") is None
