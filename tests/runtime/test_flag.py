"""The flag that actors have in place of an event."""

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from scriptorium.runtime.flag import Flag


async def test_all_who_wait_are_woken(nursery: trio.Nursery) -> None:
    flag, woken = Flag(), list[int]()

    async def wait(number: int) -> None:
        await flag.wait()
        woken.append(number)

    for number in range(3):
        nursery.start_soon(wait, number)
    await wait_all_tasks_blocked()
    assert (woken, flag.is_set) == ([], False)
    flag.set()
    assert flag.is_set
    await wait_all_tasks_blocked()
    assert sorted(woken) == [0, 1, 2]


@pytest.mark.parametrize("waited_for", [True, False])
async def test_waiting_for_one_that_is_set_is_a_checkpoint(waited_for: bool, nursery: trio.Nursery) -> None:
    flag = Flag()
    if waited_for:
        nursery.start_soon(flag.wait)
        await wait_all_tasks_blocked()
    flag.set()
    flag.set()
    with assert_checkpoints():
        await flag.wait()
    with trio.CancelScope() as scope:
        scope.cancel()
        await flag.wait()
    assert scope.cancelled_caught


async def test_one_who_is_cancelled_leaves_the_others_waiting(nursery: trio.Nursery) -> None:
    flag, woken = Flag(), trio.Event()

    async def wait() -> None:
        await flag.wait()
        woken.set()

    nursery.start_soon(wait)
    with trio.CancelScope() as scope:
        scope.cancel()
        await flag.wait()
    assert scope.cancelled_caught
    await wait_all_tasks_blocked()
    assert not woken.is_set()
    flag.set()
    await woken.wait()
