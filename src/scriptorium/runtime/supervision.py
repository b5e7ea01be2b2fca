"""The children of one supervisor, and what it does when one of them comes to an end.

The rules are those of OTP's ``supervisor.erl``. Where a part differs, its docstrings say so and why.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import trio

from scriptorium.runtime.auto_shutdown import refuse_unused_significance, shuts_down
from scriptorium.runtime.cell import ActorState, Cell
from scriptorium.runtime.child import Child
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.errors import NameTaken, SupervisorFailed, SupervisorStopped
from scriptorium.runtime.events import (
    ChildCrashed,
    ChildRestarting,
    ChildStopped,
    SupervisorGaveUp,
)
from scriptorium.runtime.hang import HangPatrol
from scriptorium.runtime.incarnation import Incarnation
from scriptorium.runtime.levels import Level
from scriptorium.runtime.policy import Policy
from scriptorium.runtime.post import Post
from scriptorium.runtime.reasons import StopKind, StopReason, describe
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.restart import Restart, RestartWindow, Strategy, restarts_after
from scriptorium.runtime.restarter import Restarter
from scriptorium.runtime.roster import Roster
from scriptorium.runtime.stopping import stop_in_order
from scriptorium.runtime.supervisor_events import SupervisorShutDown
from scriptorium.runtime.supervisor_spec import SupervisorSpec
from scriptorium.runtime.surroundings import Surroundings

M = TypeVar("M")

_log = logging.getLogger("scriptorium.runtime")


class Supervision:
    """Starts, restarts and stops children in a nursery that has no other use than that.

    Past the intensity it stops the children and raises `SupervisorFailed` into the nursery; after
    significant children have ended it stops the others and calls ``leave``.
    """

    def __init__(
        self,
        name: str,
        policy: Policy,
        surroundings: Surroundings,
        *,
        levels: tuple[Level, ...],
        leave: Callable[[], None],
    ) -> None:
        self.name = name
        self.policy = policy
        self.surroundings = surroundings
        self.levels = levels
        self.closing: StopReason | None = None
        self.shut_down = False
        self.traces: Callable[[str], bool] = lambda _child: False
        self.children = Roster()
        self.restarts = RestartWindow(policy.intensity)
        self._leave = leave
        self._restarter = Restarter(policy.strategy, self.children, self._relaunch)
        self._patrol = HangPatrol(self.children.values, name)
        self._nursery: trio.Nursery | None = None

    def open(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    @property
    def _open_nursery(self) -> trio.Nursery:
        if self._nursery is None or self.closing is not None:
            raise SupervisorStopped(self.name)
        return self._nursery

    # ---- children, from any task

    async def start(self, spec: ChildSpec[M], post: Post | None = None) -> Ref[M]:
        """See `Supervisor.start_child`."""
        child = self._begin(spec, post)
        child.awaited = True
        cell = child.cell
        try:
            await cell.start_settled.wait()
        except BaseException:
            self.tell_to_stop(child, StopReason(StopKind.SHUTDOWN))
            raise
        if not cell.started_once:
            raise child.why_not_started()
        return Ref(cell)

    def start_soon(self, spec: ChildSpec[M]) -> Ref[M]:
        """See `Supervisor.start_child_soon`."""
        return Ref(self._begin(spec, None).cell)

    def _begin(self, spec: ChildSpec[Any], post: Post | None) -> Child:
        nursery = self._open_nursery
        self.refuse(spec)
        cell = self._new_cell(spec)
        cell.claim_name()
        self.children.forget_ended(spec.id)
        child = self.children[spec.id] = Child(spec, cell, post)
        self._launch(child)
        self._patrol.child_added(child, nursery)
        return child

    def refuse(self, spec: ChildSpec[Any] | SupervisorSpec) -> None:
        """Raises `ChildExists`, `TooManyChildren`, or ValueError for a child that cannot be started now."""
        refuse_unused_significance(self.name, self.policy.auto_shutdown, spec)
        self.children.refuse(spec.id, self.name, self.policy.max_children)

    def _new_cell(self, spec: ChildSpec[Any]) -> Cell:
        cell = Cell(self.name, spec, self.surroundings.events, self.surroundings.names)
        cell.trace(self.traces(spec.id))
        return cell

    async def stop(self, child_id: str) -> None:
        """See `Supervisor.stop_child`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        child = self.children.present(child_id)
        if child is None:
            self.children.forget_ended(child_id)
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self.tell_to_stop(child, StopReason(StopKind.SHUTDOWN))
        await child.cell.stopped.wait()

    def trace(self, traces: Callable[[str], bool]) -> None:
        """See `Supervisor.trace`; also for the supervisors below."""
        self.traces = traces
        self.children.trace(traces)

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
        told = child.stop_reason or self.closing
        halted = child.halted or self._restarter.covers(child)
        if told is not None:
            self._finish(child, attrs.evolve(told, error=error or told.error))
        elif halted and child.spec.restart is not Restart.TEMPORARY:
            self._await_restart(child, error)
        elif halted:
            self._finish(child, StopReason(StopKind.SHUTDOWN, error))
        elif not child.established:
            self._finish(child, StopReason(StopKind.CRASHED, error))
        elif restarts_after(child.spec.restart, crashed=error is not None):
            self._restart_or_give_up(child, error)
        else:
            self._ended_by_itself(child, error)

    def _report_crash(self, child: Child, error: Exception) -> None:
        cell = child.cell
        cell.last_error = describe(error)
        self.surroundings.events.publish(ChildCrashed(self.name, cell.name, cell.incarnation, error))
        if child.established or not child.awaited:  # else start_child raises it
            _log.error("actor %s of %s crashed", cell.name, self.name, exc_info=error)

    def _ended_by_itself(self, child: Child, error: Exception | None) -> None:
        """It is not restarted but, if transient, with its siblings: as in OTP its place is kept for that."""
        kept = child.spec.restart is Restart.TRANSIENT and self.policy.strategy is not Strategy.ONE_FOR_ONE
        self._finish(child, StopReason(StopKind.CRASHED if error else StopKind.NORMAL, error), kept=kept)
        if not child.spec.significant:
            return
        if shuts_down(self.policy.auto_shutdown, others_left=self.children.has_significant()):
            self._shut_down(child)

    # ---- restarts

    def recent_restarts(self) -> int:
        return self.restarts.recent(trio.current_time())

    def _restart_or_give_up(self, child: Child, error: Exception | None) -> None:
        assert self._nursery is not None, "children run inside the block"  # noqa: S101
        now = trio.current_time()
        counted = [window for window in (self.restarts, child.own_restarts()) if window is not None]
        spent = [window for window in counted if not window.record(now)]
        if spent:
            self._give_up(child, error, spent[0])
            return
        backoff = child.spec.backoff or self.policy.backoff
        ran_seconds = now - child.born_seconds if child.life.started else 0.0
        child.failures = backoff.failures_in_a_row(child.failures, ran_seconds)
        child.delay_seconds = backoff.delay_seconds(child.failures, self.surroundings.random)
        self._await_restart(child, error)
        self.surroundings.events.publish(
            ChildRestarting(self.name, child.spec.id, child.failures, child.delay_seconds)
        )
        if child.delay_seconds == 0.0 and self.policy.strategy is Strategy.ONE_FOR_ONE:
            self._launch(child)  # nobody to stop first, and nothing to wait for
        else:
            self._restarter.request(self._nursery, child)

    def _await_restart(self, child: Child, error: Exception | None) -> None:
        child.cell.state = ActorState.RESTARTING
        child.cell.drop_current(error, StopReason(StopKind.SHUTDOWN))

    def _relaunch(self, child: Child) -> None:
        if child.ended:  # normally, and now it is started again with its siblings, as in OTP
            cell = self._new_cell(child.spec)
            try:
                cell.claim_name()
            except NameTaken as error:
                _log.error("actor %s of %s is not started again: %s", child.spec.id, self.name, error)
                self.children.forget_ended(child.spec.id)
                return
            child.revive(cell)
        self._launch(child)

    # ---- the end of a child, and of all

    def tell_to_stop(self, child: Child, reason: StopReason) -> None:
        if child.stop_reason is not None or child.ended:
            return
        child.stop_reason = reason
        if child.alive:
            child.life.stop(reason)
        else:
            self._finish(child, reason)

    def _finish(self, child: Child, reason: StopReason, *, kept: bool = False) -> None:
        if not kept:
            del self.children[child.spec.id]
        child.halted = False
        self._restarter.forget(child)
        child.cell.close(reason)
        self.surroundings.events.publish(ChildStopped(self.name, child.spec.id, reason))

    def _give_up(self, child: Child, error: Exception | None, spent: RestartWindow) -> None:
        failure = SupervisorFailed(self.name, child.spec.id, len(spent), spent.intensity.period_seconds)
        failure.__cause__ = error
        self._finish(child, StopReason(StopKind.GAVE_UP, error))
        self.surroundings.events.publish(SupervisorGaveUp(self.name, child.spec.id, error))
        self._end(StopReason(StopKind.GAVE_UP), failure)

    def _shut_down(self, child: Child) -> None:
        self.shut_down = True
        self.surroundings.events.publish(SupervisorShutDown(self.name, child.spec.id))
        self._end(StopReason(StopKind.SHUTDOWN), None)

    def _end(self, reason: StopReason, failure: SupervisorFailed | None) -> None:
        assert self._nursery is not None, "children run inside the block"  # noqa: S101
        self.closing = reason
        self._restarter.close()
        self._nursery.start_soon(self._stop_and_leave, failure, name=f"{self.name} ends")

    async def _stop_and_leave(self, failure: SupervisorFailed | None) -> None:
        await self.stop_all()
        if failure is not None:
            raise failure
        self._leave()

    async def stop_all(self) -> None:
        """Stop the children in order, shielded, and by force at the deadline. Starts nothing any more."""
        reason = self.closing = self.closing or StopReason(StopKind.SHUTDOWN)
        self._restarter.close()
        await stop_in_order(
            self.children,
            lambda child: self.tell_to_stop(child, reason),
            self.kill_all,
            concurrent=self.policy.concurrent_stop,
            deadline_seconds=self.policy.stop_deadline_seconds,
        )
        self._patrol.end()

    def kill_all(self) -> None:
        """Force the end of everything below, without any more grace."""
        self.closing = self.closing or StopReason(StopKind.SHUTDOWN)
        self._restarter.close()
        self.children.kill()
