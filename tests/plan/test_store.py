"""The plan for actors: in turn, off the loop, announced; cancelled it has happened whole or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import trio
import trio.testing

from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.store import PlanStore
from scriptorium.plan.transitions import AssignTicket, PreconditionFailed, UpdateSpec

from .committer import AddLine
from .plans import Plan

T = TypeVar("T")


async def in_thread(work: Callable[[], T], /) -> T:
    return await trio.to_thread.run_sync(work)


async def at_once(work: Callable[[], T], /) -> T:
    await trio.lowlevel.checkpoint()
    return work()


async def test_own_commits_are_announced_in_order(plan: Plan) -> None:
    announced: list[Snapshot] = []
    store = PlanStore(plan.repository, in_thread, announced.append)
    first = await store.read()
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(store.commit, AddLine(str(number)))
    assert announced[0] is first
    assert [snapshot.commit for snapshot in announced] == list(
        reversed(plan.git("log", "--format=%H", "-6", "scriptorium/plan").splitlines())
    )


async def test_other_writers_are_announced_at_the_next_look_and_once(plan: Plan) -> None:
    announced: list[Snapshot] = []
    store = PlanStore(plan.repository, at_once, announced.append)
    await store.read()
    await store.read()
    assert len(announced) == 1
    plan.by_hand({"areas/docs.md": b"By hand.\n"})
    assert await store.read() is announced[1]
    unchanged = await store.commit(UpdateSpec(announced[1].spec.text if announced[1].spec else ""))
    assert unchanged is announced[1]
    assert len(announced) == 2


async def test_a_refusal_is_the_callers_and_the_next_one_works(plan: Plan) -> None:
    store = PlanStore(plan.repository, at_once, lambda _snapshot: None)
    with pytest.raises(PreconditionFailed, match="no ticket 0001"):
        await store.commit(AssignTicket(TicketId("0001"), "b", "w"))
    assert (await store.commit(AddLine("x"))).spec is not None


async def test_cancelled_at_any_checkpoint_it_is_before_or_after(plan: Plan) -> None:
    ticket = plan.with_ticket()
    transition = AssignTicket(ticket, "b", "w")
    for allowed in range(10):
        announced: list[Snapshot] = []
        before = plan.repository.tip()
        with trio.CancelScope() as scope:
            left = allowed

            async def counted(work: Callable[[], T], /, scope: trio.CancelScope = scope) -> T:
                nonlocal left
                for _ in range(3):
                    if left == 0:
                        scope.cancel()
                    left -= 1
                    await trio.lowlevel.checkpoint()
                result = work()
                if left <= 0:
                    scope.cancel()
                return result

            await PlanStore(plan.repository, counted, announced.append).commit(transition)
        if plan.repository.tip() == before:
            assert announced == []
            continue
        assert [snapshot.commit for snapshot in announced] == [plan.repository.tip()]
        assert plan.snapshot.state_of(ticket) is TicketState.IN_PROGRESS
        return
    pytest.fail("it was never committed")


async def test_a_commit_waits_for_a_person_who_has_put_a_file_in_a_folders_place(plan: Plan) -> None:
    ticket = plan.with_ticket()
    (path,) = (file.path for file in plan.snapshot.tickets.values())
    told: list[str | None] = []
    store = PlanStore(plan.repository, at_once, lambda _snapshot: None, told.append)
    plan.by_hand({"tickets/in-progress": b"Not a folder.\n"}, ("tickets/in-progress/.gitkeep",))
    async with trio.open_nursery() as nursery:
        given_up = trio.CancelScope()
        nursery.start_soon(_cancelled, store.commit, AssignTicket(ticket, "b", "w"), given_up)
        nursery.start_soon(store.commit, AssignTicket(ticket, "b", "w"))
        await trio.testing.wait_all_tasks_blocked()
        assert store.blocked is not None
        assert "tickets/in-progress" in store.blocked
        given_up.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert told == [store.blocked]
        plan.by_hand({"areas/docs.md": b"Something else.\n"})
        await store.read()
        await trio.testing.wait_all_tasks_blocked()
        assert told == [store.blocked]
        plan.by_hand({"tickets/in-progress/.gitkeep": b""}, ("tickets/in-progress",))
        await store.read()
    assert told[1:] == [None]
    assert plan.snapshot.state_of(ticket) is TicketState.IN_PROGRESS
    assert path not in {file.path for file in plan.snapshot.tickets.values()}


async def _cancelled(
    commit: Callable[[AssignTicket], Awaitable[Snapshot]], transition: AssignTicket, scope: trio.CancelScope
) -> None:
    with scope:
        await commit(transition)
