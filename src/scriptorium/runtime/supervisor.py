"""Keeps children running: starts in order, restarts by policy, stops in reverse, gives up upward."""

from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar, final

import trio

from scriptorium.runtime.auto_shutdown import AutoShutdown
from scriptorium.runtime.cell import ActorState, ActorStatistics
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.errors import sole_error
from scriptorium.runtime.events import EventStream
from scriptorium.runtime.levels import Level
from scriptorium.runtime.names import Names
from scriptorium.runtime.policy import Policy
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.restart import Backoff, Intensity, Strategy
from scriptorium.runtime.supervision import Supervision
from scriptorium.runtime.supervisor_ref import SupervisorRef, start_supervisor, supervisor_among
from scriptorium.runtime.supervisor_spec import SupervisorSpec
from scriptorium.runtime.supervisor_statistics import SupervisorStatistics
from scriptorium.runtime.surroundings import Surroundings

M = TypeVar("M")


@final
class Supervisor:
    """An ``async with`` block with children. Enter it once.

    Leaving the block, in whatever way, cancellation included, stops the children in reverse start
    order (all at once with ``concurrent_stop``), each within its drain time and twice its grace. More
    restarts than the intensity allows: the children are stopped alike, the block is cancelled, and
    `SupervisorFailed` is raised out of it. An error of the block itself comes out as it is; only
    several errors come out as a group.

    The rules are OTP's. It differs in that a restart waits for a delay (`Backoff`), that a child's `Ref`
    and mailbox stay through its restarts, and that the id of a child that has ended is free again.

    Args:
        name: for events, errors and logs.
        strategy: who is restarted together.
        intensity: how many restarts, failed ones included, in which period.
        backoff: the delay before each restart.
        events: where `ChildStarted` and its like are published; also each actor's ``context.events``.
        concurrent_stop: the children do not depend on each other: stop them all at once.
        random: source of the jitter; seed it to have the delays repeat.
        names: where children with a `ChildSpec.name` are found; default: names of its own.
        auto_shutdown: whether it ends after significant children have ended: the other children are
            stopped, the block is cancelled and left without an error, and ``shut_down`` is True.
        stop_deadline_seconds: how long leaving may take in all before everything left is forced to end
            at once; None = as long as the children's graces take.
        max_children: how many children it can have, those that restart included; None = no limit.
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
        names: Names | None = None,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        stop_deadline_seconds: float | None = None,
        max_children: int | None = None,
    ) -> None:
        policy = Policy(
            strategy,
            Intensity() if intensity is None else intensity,
            Backoff() if backoff is None else backoff,
            auto_shutdown,
            concurrent_stop,
            stop_deadline_seconds,
            max_children,
        )
        surroundings = Surroundings(
            EventStream() if events is None else events,
            Names() if names is None else names,
            Random() if random is None else random,  # noqa: S311 - jitter is no secret
        )
        levels = (Level(name, policy.intensity.restarts),)
        self._team = Supervision(name, policy, surroundings, levels=levels, leave=self._leave)
        self._manager = trio.open_nursery()
        self._nursery: trio.Nursery | None = None
        self._left = False

    @property
    def name(self) -> str:
        return self._team.name

    @property
    def events(self) -> EventStream:
        return self._team.surroundings.events

    @property
    def names(self) -> Names:
        return self._team.surroundings.names

    @property
    def shut_down(self) -> bool:
        """Significant children have ended, and therefore it has or is about to."""
        return self._team.shut_down

    # ---- the block

    async def __aenter__(self) -> Self:
        if self._nursery is not None:
            raise RuntimeError(f"supervisor {self.name!r} was entered before; make a new one")
        self._nursery = await self._manager.__aenter__()
        self._team.open(self._nursery)
        return self

    @trio.lowlevel.enable_ki_protection
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        errors = (kind, error, traceback)
        try:
            await self._team.stop_all()
        except BaseException as interruption:  # Only Ctrl-C comes through the shield: no more grace.
            self._team.kill_all()
            errors = (type(interruption), interruption, interruption.__traceback__)
        try:
            return bool(await self._manager.__aexit__(*errors))
        except BaseExceptionGroup as group:
            sole = sole_error(group)
            if sole is error:
                return False
            if sole is group:
                raise
            raise sole from sole.__cause__
        finally:
            self._left = True

    def _leave(self) -> None:
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    # ---- children, from any task

    async def start_child(self, spec: ChildSpec[M]) -> Ref[M]:
        """Start a child, last in the order; return when its ``on_start`` has succeeded.

        Raises the error of ``on_start`` (a first start that fails is not tried again, and leaves
        no child), `StartTimedOut`, `ChildExists`, `TooManyChildren`, `NameTaken`, `SupervisorStopped`,
        `ActorStopped` when the child was stopped before it had started, or ValueError for a significant
        child without ``auto_shutdown``. Cancelled, the child is stopped and forgotten, if need be after
        this call has ended.
        """
        return await self._team.start(spec)

    def start_child_soon(self, spec: ChildSpec[M]) -> Ref[M]:
        """Start a child, last in the order, without waiting for it: what is told meanwhile waits for it.

        A start that fails leaves no child: it is logged and published as `ChildCrashed`, and who uses the
        `Ref` gets `ActorStopped`. Raises at once what does not take a start to see: `ChildExists`,
        `TooManyChildren`, `NameTaken`, `SupervisorStopped`, ValueError.
        """
        return self._team.start_soon(spec)

    async def start_supervisor(self, spec: SupervisorSpec) -> SupervisorRef:
        """Start a supervisor as a child, with its children; return when all of them have started.

        Errors and cancellation as for `start_child`; a child below that does not start is an error of
        this start, and those that had started before it are stopped in reverse order. An
        `IntensityWarning` is logged and published when intensities over the levels multiply to more
        than is sensible.
        """
        return await start_supervisor(self._team, spec)

    async def stop_child(self, child_id: str) -> None:
        """Stop a child in order and for good, and wait until it has ended. None of that id: no error.

        It is OTP's ``terminate_child`` and ``delete_child`` in one: the id is free, and no restart of a
        sibling brings the child back. Cancelled, the child still stops.
        """
        await self._team.stop(child_id)

    def child(self, child_id: str) -> Ref[Any] | None:
        """The child of that id, unless it has ended."""
        return self._team.children.ref(child_id)

    def supervisor(self, child_id: str) -> SupervisorRef | None:
        """The child of that id if it is a supervisor, unless it has ended."""
        return supervisor_among(self._team, child_id)

    def children(self) -> tuple[ActorStatistics, ...]:
        """The children that have not ended, in start order."""
        return self._team.children.statistics()

    def statistics(self) -> SupervisorStatistics:
        return SupervisorStatistics(
            name=self.name,
            state=self._state(),
            incarnation=1,
            restarts=0,
            last_error=None,
            children=self._team.children.counts(),
            recent_restarts=self._team.recent_restarts(),
            intensity=self._team.policy.intensity,
        )

    def _state(self) -> ActorState:
        if self._nursery is None:
            return ActorState.STARTING
        if self._left:
            return ActorState.STOPPED
        return ActorState.RUNNING if self._team.closing is None else ActorState.STOPPING

    def trace(self, on: bool | Callable[[str], bool]) -> None:
        """Trace the messages of all children, or of those whose id ``on`` says yes to, or of none.

        It holds for children that are there and that come later, also below; see `Ref.trace`.
        """
        self._team.trace(on if callable(on) else lambda _child: on)
