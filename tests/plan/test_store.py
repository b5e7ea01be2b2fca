"""The plan for actors: in turn, off the loop, announced; cancelled it has happened whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import trio

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
