"""A run that is cancelled, at whichever point, leaves no process, no open file and no record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from attrs import define

from scriptorium.harness.proc import Marked, Scanner, read_mark
from scriptorium.harness.process import OutcomeKind, ProcessOutcome, ProcessRunner

from .worlds import Act, FakeChild, RealWorld, VirtualWorld, World, spec_for


async def speaks(child: FakeChild) -> int:
    await child.print(b"one\n")
    await child.read_prompt()
    await child.complain(b"two\n")
    child.holds_pipe = True
    return 0


SPEAKS = Act("echo one; cat >/dev/null; echo two >&2; sleep 600 &", speaks)


@define(eq=False)
class CancelAt(trio.abc.Instrument):
    """Cancels a scope before the given step of any task but the one that made it."""

    step: int
    scope: trio.CancelScope
    counting: bool = False

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.counting:
            self.step -= 1
            if self.step == 0:
                self.scope.cancel()


def open_logs(world: World) -> list[str]:
    targets = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a few names
        try:
            targets.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - likewise
        except FileNotFoundError:
            continue
    return [target for target in targets if str(world.folder) in target]


def members(run_id: str) -> list[int]:
    return [pid for pid in Scanner().scan().stats if read_mark(pid, run_id) is Marked.YES]


def cancel_at(world: World, step: int) -> ProcessOutcome | None:
    """Run a child and cancel it at a step; its outcome, None when the cancellation came first."""
    log = world.folder / "logs" / f"{step}.jsonl"
    spec = spec_for(world, SPEAKS, stdin=b"x" * 100_000, log=log)
    outcomes: list[ProcessOutcome] = []
    runners: list[ProcessRunner] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            runner = world.runner(nursery, SPEAKS)
            runners.append(runner)
            with trio.CancelScope() as scope:
                instrument = CancelAt(step, scope, counting=True)
                trio.lowlevel.add_instrument(instrument)
                try:
                    outcomes.append(await runner.run(spec))
                finally:
                    trio.lowlevel.remove_instrument(instrument)
            check_nothing_is_left(world, runner, spec.run_id)
            nursery.cancel_scope.cancel()

    world.run(main)
    return outcomes[0] if outcomes else None


def check_nothing_is_left(world: World, runner: ProcessRunner, run_id: str) -> None:
    assert open_logs(world) == []
    runs = world.folder / "runs"
    assert not runs.exists() or list(runs.iterdir()) == []
    assert members(run_id) == []
    for child in getattr(runner.launcher, "children", []):
        assert child.over.is_set()
        assert child.closed
    assert getattr(runner.launcher, "running", 0) == 0


def cancel_everywhere(world: World, most: int) -> int:
    """Cancel at the first step, the second, and on, until a run ends before that; the number of steps."""
    for step in range(1, most):
        outcome = cancel_at(world, step)
        if outcome is not None:
            assert outcome.kind is OutcomeKind.EXITED
            return step
    raise AssertionError(f"never ended within {most} steps")


@pytest.mark.req("CA-06")
def test_a_run_in_memory_is_cancelled_at_every_step(tmp_path: Path) -> None:
    assert cancel_everywhere(VirtualWorld(tmp_path), most=300) > 15


@pytest.mark.slow
@pytest.mark.req("CA-06")
def test_a_real_run_is_cancelled_at_every_step(tmp_path: Path) -> None:
    assert cancel_everywhere(RealWorld(tmp_path), most=300) > 15


def test_a_run_waits_for_a_process_that_does_not_die_for_a_bounded_time(tmp_path: Path) -> None:
    world = VirtualWorld(tmp_path)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            runner = world.runner(nursery, SPEAKS)

            async def never_ends(child: FakeChild) -> int:
                with trio.CancelScope(shield=True):
                    await trio.sleep(3600)
                return 0

            act = Act("", never_ends)
            runner = world.runner(nursery, act)
            began = trio.current_time()
            with trio.move_on_after(10):
                await runner.run(spec_for(world, act))
            assert trio.current_time() - began == 15  # KILL_SECONDS after the cancellation
            # What could not be killed is left for the next start, which finds it by its record.
            assert len(list((world.folder / "runs").iterdir())) == 1
            nursery.cancel_scope.cancel()

    world.run(main)
