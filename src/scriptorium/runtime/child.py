"""The supervisor's record of one child, between and during its incarnations."""

from typing import TYPE_CHECKING, Any

import attrs
import trio

from scriptorium.runtime.cell import NOTHING, ActorState, Cell
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.errors import ActorHung, ActorStopped
from scriptorium.runtime.hang import Progress
from scriptorium.runtime.incarnation import Incarnation
from scriptorium.runtime.reasons import StopKind, StopReason
from scriptorium.runtime.restart import RestartWindow

if TYPE_CHECKING:
    from scriptorium.runtime.post import Post


@attrs.define(eq=False)
class Child:
    """``alive`` while an incarnation's task runs; else it waits for a restart, or has ended."""

    spec: ChildSpec[Any]
    cell: Cell
    post: "Post | None" = None  # of a child that is a supervisor
    life: Incarnation = attrs.field(init=False)
    awaited: bool = False  # somebody waits for its first start, and gets the error of one that fails
    alive: bool = False
    halted: bool = False  # stopped, or ended before, and to be started with a sibling that is restarted
    revived: bool = False  # it had ended normally, and was started again with its siblings
    stop_reason: StopReason | None = None  # why it was told to stop for good
    failures: int = 0  # in a row
    delay_seconds: float = 0.0
    born_seconds: float = 0.0
    restarts: RestartWindow | None = None  # made with the first restart, if it has a limit of its own

    @property
    def established(self) -> bool:
        """A start that fails from now on is a restart that failed, and not the caller's."""
        return self.revived or self.cell.started_once

    @property
    def restarting(self) -> bool:
        return self.cell.state is ActorState.RESTARTING

    @property
    def ended(self) -> bool:
        """For good; or a transient child that ended normally and may be started again with its siblings."""
        return self.cell.state is ActorState.STOPPED

    @property
    def owed_a_start(self) -> bool:
        return self.restarting or (self.ended and self.halted)

    @property
    def hang_limit_seconds(self) -> float | None:
        return self.spec.hang_limit_seconds

    def new_life(self) -> Incarnation:
        self.life = Incarnation(self.spec, self.cell)
        self.alive = True
        self.halted = False
        self.born_seconds = trio.current_time()
        self.cell.incarnation += 1
        self.cell.state = ActorState.STARTING
        return self.life

    def revive(self, cell: Cell) -> None:
        """Have a child that ended wait for a start. Its old `Ref` has ended, so it gets another."""
        self.cell = cell
        cell.state = ActorState.RESTARTING
        self.revived = True
        self.failures = 0

    def why_not_started(self) -> Exception:
        """The error for who wanted it started: that of the start itself, or `ActorStopped`."""
        reason: StopReason | None = self.cell.mailbox.reason
        assert reason is not None, "a child that has ended has a reason"  # noqa: S101
        if reason.kind is StopKind.CRASHED and reason.error is not None:
            reason.error.add_note(f"while actor {self.spec.id!r} was starting")
            return reason.error
        return ActorStopped(self.spec.id, reason)

    def own_restarts(self) -> RestartWindow | None:
        """The restarts that count towards the child's own intensity, if it has one."""
        if self.restarts is None and self.spec.intensity is not None:
            self.restarts = RestartWindow(self.spec.intensity)
        return self.restarts

    def kill(self) -> None:
        """Force its end, and that of all below it, without any more grace."""
        if self.alive:
            self.life.kill()
        if self.post is not None and self.post.team is not None:
            self.post.team.kill_all()

    def work_at_hand(self) -> Progress | None:
        if not self.alive or (self.life.started and self.cell.current is NOTHING):
            return None
        return Progress(self.cell.incarnation, self.life.started, self.cell.handled)

    def hung(self, limit_seconds: float) -> None:
        self.life.kill(ActorHung(self.spec.id, limit_seconds))
