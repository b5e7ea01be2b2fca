"""A fault, a stop or a cancellation at any step from spec to landed code: the end is the same.

Each step that touches git or the disk goes through one seam. The actors are tried at some of its calls,
spread evenly over the way; `FAULT_POINTS=200` tries them all.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.runtime import ChildCrashed, inline
from scriptorium.testing import run_virtual

from .faults import Faulty, crash
from .stage import Stage, drafts, good, no_error_report, writes

pytestmark = pytest.mark.slow

POINTS = int(os.environ.get("FAULT_POINTS", "9"))


def scene(root: Path, offload: Faulty) -> Stage:
    """A spec, an area, a ticket whose first submission fails the checks."""
    stage = Stage.build(root, offload=offload)
    stage.spec()
    stage.cast.areas = {"core": "# Core\n"}
    stage.cast.drafts = {"core": drafts("one")}
    stage.cast.coding["one"] = [writes("parts/one.txt", "bad\n"), good]
    return stage


def stop(stage: Stage) -> None:
    stage.stop.set()


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls the whole way has."""
    seam = Faulty()
    run_virtual(scene(tmp_path_factory.mktemp("calls") / "project", seam).run)
    return seam.calls


def call_number(calls: int, point: int) -> int:
    """The call at this point of the way. The last few may come in another order, or not at all."""
    return 1 + point * (calls - 8) // POINTS


@pytest.mark.req("V1-34")
@pytest.mark.parametrize("point", range(POINTS))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_whichever_actor_crashes_wherever_the_work_is_finished(
    tmp_path: Path, autojump_clock: MockClock, calls: int, point: int, after: bool
) -> None:
    stage = scene(tmp_path / "project", Faulty(call_number(calls, point), after, crash))
    with no_error_report():
        report = await stage.run()
    assert report.leftovers == ()
    stage.assert_finished("one")


@pytest.mark.req("V1-05", "V1-34")
@pytest.mark.parametrize("point", range(POINTS))
async def test_whenever_it_is_stopped_the_next_life_finishes_the_work(
    tmp_path: Path, autojump_clock: MockClock, calls: int, point: int
) -> None:
    faulty = Faulty(call_number(calls, point))
    stage = scene(tmp_path / "project", faulty)
    faulty.fault = partial(stop, stage)
    began = trio.current_time()
    report = await stage.run()
    assert report.stopped, (faulty.calls, faulty.at, calls)
    assert trio.current_time() - began < 15
    stage.assert_sound()
    stage.offload = inline
    assert (await stage.run()).leftovers == ()
    stage.assert_finished("one")


@pytest.mark.req("V1-34")
@pytest.mark.parametrize("point", range(POINTS))
async def test_wherever_it_is_cancelled_the_next_life_finishes_the_work(
    tmp_path: Path, autojump_clock: MockClock, calls: int, point: int
) -> None:
    faulty = Faulty(call_number(calls, point), after=point % 2 == 0)
    stage = scene(tmp_path / "project", faulty)
    with trio.CancelScope() as scope:
        faulty.fault = scope.cancel
        await stage.run()
    assert scope.cancelled_caught
    stage.assert_sound()
    stage.offload = inline
    assert (await stage.run()).leftovers == ()
    stage.assert_finished("one")


async def test_an_actor_that_always_crashes_ends_the_service(stage: Stage, autojump_clock: MockClock) -> None:
    from scriptorium.runtime import SupervisorFailed

    def broken() -> None:
        faulty.at += 1
        crash()

    faulty = Faulty(1, fault=broken)
    stage.offload = faulty
    stage.spec()
    with (
        no_error_report(),
        pytest.RaisesGroup(SupervisorFailed, allow_unwrapped=True, flatten_subgroups=True),
    ):
        await stage.run()
    assert len(stage.heard(ChildCrashed)) > 5
    stage.assert_sound()
