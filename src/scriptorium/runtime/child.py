"""The supervisor's record of one child, between and during its incarnations."""

from typing import Any

import attrs
import trio

from scriptorium.runtime.cell import NOTHING, ActorState, Cell
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.errors import ActorHung
from scriptorium.runtime.hang import Progress
from scriptorium.runtime.incarnation import Incarnation
from scriptorium.runtime.reasons import StopReason


@attrs.define(eq=False)
class Child:
    """``alive`` while an incarnation's task runs; else it waits for a restart, or has ended."""

    spec: ChildSpec[Any]
    cell: Cell
    life: Incarnation
    alive: bool = False
    failed: bool = False  # it is the cause of a restart that has yet to be made
    halted: bool = False  # stopped for a sibling's restart, to be started again with it
    stop_reason: StopReason | None = None  # why it was told to stop for good
    failures: int = 0  # in a row
    delay_seconds: float = 0.0
    born_seconds: float = 0.0

    @property
    def restarting(self) -> bool:
        return self.cell.state is ActorState.RESTARTING

    @property
    def ended(self) -> bool:
        return self.cell.state is ActorState.STOPPED

    @property
    def hang_limit_seconds(self) -> float | None:
        return self.spec.hang_limit_seconds

    def new_life(self) -> Incarnation:
        self.life = Incarnation(self.spec, self.cell)
        self.alive = True
        self.failed = self.halted = False
        self.born_seconds = trio.current_time()
        self.cell.incarnation += 1
        self.cell.state = ActorState.STARTING
        return self.life

    def work_at_hand(self) -> Progress | None:
        if not self.alive or (self.life.started and self.cell.current is NOTHING):
            return None
        return Progress(self.cell.incarnation, self.life.started, self.cell.handled)

    def hung(self, limit_seconds: float) -> None:
        self.life.kill(ActorHung(self.spec.id, limit_seconds))
