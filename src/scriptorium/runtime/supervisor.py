"""Keeps children running: starts in order, restarts by policy, stops in reverse, gives up upward."""

import logging
from random import Random
from types import TracebackType
from typing import Self, TypeVar, final

import attrs
import trio

from scriptorium.runtime.cell import ActorState, ActorStatistics, Cell
from scriptorium.runtime.child import Child
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.errors import (
    ActorStopped,
    ChildExists,
    SupervisorFailed,
    SupervisorStopped,
    sole_error,
)
from scriptorium.runtime.events import (
    ChildCrashed,
    ChildRestarting,
    ChildStopped,
    EventStream,
    SupervisorGaveUp,
)
from scriptorium.runtime.hang import watch_hangs
from scriptorium.runtime.incarnation import Incarnation
from scriptorium.runtime.reasons import StopKind, StopReason, describe
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.restart import (
    Backoff,
    Intensity,
    Restart,
    RestartWindow,
    Strategy,
    restarts_after,
)
from scriptorium.runtime.restarter import Restarter

M = TypeVar("M")

_log = logging.getLogger("scriptorium.runtime")


@final
class Supervisor:
    """An ``async with`` block with children. Enter it once.

    Leaving the block, in whatever way, cancellation included, stops the children in reverse start
    order (all at once with ``concurrent_stop``), each within twice its grace. More restarts than
    the intensity allows: the children are stopped alike, the block is cancelled, and
    `SupervisorFailed` is raised out of it. An error of the block itself comes out as it is; only
    several errors come out as a group.

    Args:
        name: for events, errors and logs.
        strategy: who is restarted together.
        intensity: how many restarts, failed ones included, in which period.
        backoff: the delay before each restart.
        events: where `ChildStarted` and its like are published; also each actor's ``context.events``.
        concurrent_stop: the children do not depend on each other: stop them all at once.
        random: source of the jitter; seed it to have the delays repeat.
    """

    def __init__(
        self,
        name: str,
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity | None = None,
        backoff: Backoff | None = None,
        events: EventStream | None = None,
        concurrent_stop: bool = False,
        random: Random | None = None,
    ) -> None:
        self.name = name
        self.events = EventStream() if events is None else events
        self._intensity = Intensity() if intensity is None else intensity
        self._backoff = Backoff() if backoff is None else backoff
        self._random = Random() if random is None else random  # noqa: S311 - jitter is no secret
        self._concurrent_stop = concurrent_stop
        self._children: dict[str, Child] = {}  # in start order; those that have ended are gone
        self._restarts = RestartWindow(self._intensity)
        self._restarter = Restarter(strategy, self._children, self._launch)
        self._manager = trio.open_nursery()
        self._nursery: trio.Nursery | None = None
        self._closing: StopReason | None = None
        self._hang_watch: trio.CancelScope | None = None
        self._child_added = trio.Event()

    # ---- the block

    async def __aenter__(self) -> Self:
        if self._nursery is not None:
            raise RuntimeError(f"supervisor {self.name!r} was entered before; make a new one")
        self._nursery = await self._manager.__aenter__()
        return self

    @trio.lowlevel.enable_ki_protection
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        errors = (kind, error, traceback)
        try:
            await self._stop_all(StopReason(StopKind.SHUTDOWN))
        except BaseException as interruption:  # Only Ctrl-C comes through the shield: no more grace.
            for child in self._children.values():
                child.life.kill()
            errors = (type(interruption), interruption, interruption.__traceback__)
        if self._hang_watch is not None:
            self._hang_watch.cancel()
        try:
            return bool(await self._manager.__aexit__(*errors))
        except BaseExceptionGroup as group:
            sole = sole_error(group)
            if sole is error:
                return False
            if sole is group:
                raise
            raise sole from sole.__cause__

    async def _stop_all(self, reason: StopReason) -> None:
        if self._closing is None:
            self._closing = reason
        self._restarter.close()
        with trio.CancelScope(shield=True):
            last_first = list(reversed(self._children.values()))
            if self._concurrent_stop:
                for child in last_first:
                    self._tell_to_stop(child, self._closing)
            for child in last_first:
                self._tell_to_stop(child, self._closing)
                await child.cell.stopped.wait()

    # ---- children, from any task

    async def start_child(self, spec: ChildSpec[M]) -> Ref[M]:
        """Start a child, last in the order; return when its ``on_start`` has succeeded.

        Raises the error of ``on_start`` (a first start that fails is not tried again, and leaves
        no child), `ChildExists`, `SupervisorStopped`, or `ActorStopped` when the child was stopped
        before it had started. Cancelled, the child is stopped and forgotten, if need be after this
        call has ended.
        """
        if self._nursery is None or self._closing is not None:
            raise SupervisorStopped(self.name)
        if spec.id in self._children:
            raise ChildExists(self.name, spec.id)
        cell = Cell(self.name, spec.id, spec.mailbox_capacity, self.events)
        child = Child(spec, cell, Incarnation(spec, cell))
        self._children[spec.id] = child
        self._launch(child)
        self._watch_hangs_of(child)
        try:
            await cell.start_settled.wait()
        except BaseException:
            self._tell_to_stop(child, StopReason(StopKind.SHUTDOWN))
            raise
        if not cell.started_once:
            raise _why_not_started(child)
        return Ref(cell)

    async def stop_child(self, child_id: str) -> None:
        """Stop a child in order and for good, and wait until it has ended. None of that id: no error.

        Cancelled, the child still stops.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        child = self._children.get(child_id)
        if child is None:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._tell_to_stop(child, StopReason(StopKind.SHUTDOWN))
        await child.cell.stopped.wait()

    def children(self) -> tuple[ActorStatistics, ...]:
        """The children that have not ended, in start order."""
        return tuple(child.cell.statistics() for child in self._children.values())

    # ---- one incarnation

    def _launch(self, child: Child) -> None:
        assert self._nursery is not None, "children start inside the block"  # noqa: S101
        self._nursery.start_soon(self._run, child, child.new_life(), name=f"{self.name}/{child.spec.id}")

    @trio.lowlevel.enable_ki_protection
    async def _run(self, child: Child, life: Incarnation) -> None:
        try:
            error = await life.live()
        except BaseException:
            child.alive = False
            self._finish(child, StopReason(StopKind.INTERRUPTED))
            raise
        else:
            child.alive = False
            self._life_is_over(child, error)
        finally:
            life.start_decided.set()
            life.over.set()

    def _life_is_over(self, child: Child, error: Exception | None) -> None:
        if error is not None:
            self._report_crash(child, error)
        told = child.stop_reason or self._closing
        if told is not None:
            self._finish(child, attrs.evolve(told, error=error or told.error))
        elif not child.cell.started_once and not child.halted:
            self._finish(child, StopReason(StopKind.CRASHED, error))
        elif child.halted and child.spec.restart is not Restart.TEMPORARY:
            self._await_restart(child, error)
        elif child.halted:
            self._finish(child, StopReason(StopKind.SHUTDOWN, error))
        elif restarts_after(child.spec.restart, crashed=error is not None):
            self._restart_or_give_up(child, error)
        else:
            self._finish(child, StopReason(StopKind.CRASHED if error else StopKind.NORMAL, error))

    def _report_crash(self, child: Child, error: Exception) -> None:
        cell = child.cell
        cell.last_error = describe(error)
        self.events.publish(ChildCrashed(self.name, cell.name, cell.incarnation, error))
        if cell.started_once:  # else start_child raises it
            _log.error("actor %s of %s crashed", cell.name, self.name, exc_info=error)

    def _restart_or_give_up(self, child: Child, error: Exception | None) -> None:
        assert self._nursery is not None, "children run inside the block"  # noqa: S101
        now = trio.current_time()
        if not self._restarts.record(now):
            self._give_up(child, error)
            return
        ran_seconds = now - child.born_seconds if child.life.started else 0.0
        child.failures = self._backoff.failures_in_a_row(child.failures, ran_seconds)
        child.delay_seconds = self._backoff.delay_seconds(child.failures, self._random)
        child.failed = True
        self._await_restart(child, error)
        self.events.publish(ChildRestarting(self.name, child.spec.id, child.failures, child.delay_seconds))
        self._restarter.request(self._nursery, child)

    def _await_restart(self, child: Child, error: Exception | None) -> None:
        child.cell.state = ActorState.RESTARTING
        child.cell.drop_current(error or ActorStopped(child.spec.id, StopReason(StopKind.SHUTDOWN)))

    # ---- the end of a child, and of all

    def _tell_to_stop(self, child: Child, reason: StopReason) -> None:
        if child.stop_reason is not None or child.ended:
            return
        child.stop_reason = reason
        if child.alive:
            child.life.stop()
        else:
            self._finish(child, reason)

    def _finish(self, child: Child, reason: StopReason) -> None:
        del self._children[child.spec.id]
        child.failed = False
        self._restarter.forget(child)
        child.cell.drop_current(reason.error or ActorStopped(child.spec.id, reason))
        child.cell.close(reason)
        self.events.publish(ChildStopped(self.name, child.spec.id, reason))

    def _give_up(self, child: Child, error: Exception | None) -> None:
        assert self._nursery is not None, "children run inside the block"  # noqa: S101
        failure = SupervisorFailed(
            self.name, child.spec.id, len(self._restarts), self._intensity.period_seconds
        )
        failure.__cause__ = error
        self._closing = StopReason(StopKind.GAVE_UP)
        self._finish(child, StopReason(StopKind.GAVE_UP, error))
        self.events.publish(SupervisorGaveUp(self.name, child.spec.id, error))
        self._nursery.start_soon(self._stop_and_fail, failure, name=f"{self.name} gives up")

    async def _stop_and_fail(self, failure: SupervisorFailed) -> None:
        await self._stop_all(StopReason(StopKind.GAVE_UP))
        raise failure

    def _watch_hangs_of(self, child: Child) -> None:
        assert self._nursery is not None, "children run inside the block"  # noqa: S101
        if child.hang_limit_seconds is None:
            return
        self._child_added.set()
        self._child_added = trio.Event()
        if self._hang_watch is None:
            self._hang_watch = trio.CancelScope()
            self._nursery.start_soon(self._watch_hangs, self._hang_watch, name=f"{self.name} hang watch")

    async def _watch_hangs(self, scope: trio.CancelScope) -> None:
        with scope:
            await watch_hangs(self._children.values, lambda: self._child_added)


def _why_not_started(child: Child) -> Exception:
    reason: StopReason | None = child.cell.mailbox.reason
    assert reason is not None, "a child that has ended has a reason"  # noqa: S101
    if reason.kind is StopKind.CRASHED and reason.error is not None:
        reason.error.add_note(f"while actor {child.spec.id!r} was starting")
        return reason.error
    return ActorStopped(child.spec.id, reason)
