"""The thread seam: both implementations keep the same promise."""

import threading

import pytest
import trio
from trio.testing import assert_checkpoints

from scriptorium.runtime import Offload, in_thread, inline

both = pytest.mark.parametrize("offload", [in_thread, inline])


def fail() -> int:
    raise ValueError("from the function")


@both
async def test_returns_and_raises_what_the_function_does(offload: Offload) -> None:
    with assert_checkpoints():
        assert await offload(lambda: 6 * 7) == 42
    with pytest.raises(ValueError, match="from the function"):
        await offload(fail)


@both
async def test_cancelled_before_the_start_nothing_runs(offload: Offload) -> None:
    ran: list[int] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        await offload(lambda: ran.append(1))
    assert scope.cancelled_caught
    assert ran == []


async def test_where_the_function_runs() -> None:
    here = threading.get_ident()
    assert await inline(threading.get_ident) == here
    assert await in_thread(threading.get_ident) != here


async def test_a_started_function_is_waited_for_and_its_result_delivered() -> None:
    started = trio.Event()
    go_on = threading.Event()
    token = trio.lowlevel.current_trio_token()
    results: list[str] = []

    def work() -> str:
        token.run_sync_soon(started.set)
        go_on.wait(10)
        return "on disk"

    async def caller() -> None:
        results.append(await in_thread(work))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller)
        await started.wait()
        nursery.cancel_scope.cancel()
        go_on.set()
    assert results == ["on disk"]
