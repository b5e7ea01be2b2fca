"""The lane that passes the mailbox: suspend, resume and inspect, answered between two messages."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import trio

from scriptorium.runtime.messages import Answer

if TYPE_CHECKING:
    from scriptorium.runtime.actor import Actor
    from scriptorium.runtime.cell import ActorStatistics
    from scriptorium.runtime.errors import ActorStopped


@attrs.frozen
class Inspection:
    """An actor between two messages: its counters, and what its `Actor.inspect` returned."""

    statistics: "ActorStatistics"
    state: object


class Control:
    """The requests to one actor. They outlive its incarnations, as the mailbox does."""

    __slots__ = ("_inspections", "_resting", "_suspended")

    def __init__(self) -> None:
        self._suspended = False
        self._resting: list[Answer] = []  # suspend it, and wait for the message at hand to be over
        self._inspections: list[Answer] = []

    @property
    def suspended(self) -> bool:
        return self._suspended or bool(self._resting)

    # ---- for those who ask

    @trio.lowlevel.enable_ki_protection
    async def suspend(self, *, busy: bool) -> None:
        if busy:
            await _wait_in(self._resting)
        else:
            self._suspended = True
            await trio.lowlevel.cancel_shielded_checkpoint()

    @trio.lowlevel.enable_ki_protection
    def resume(self) -> None:
        self.at_rest()
        self._suspended = False

    @trio.lowlevel.enable_ki_protection
    async def inspect(self) -> Inspection:
        inspection: Inspection = await _wait_in(self._inspections)
        return inspection

    # ---- for the incarnation, and for what outlives it

    @trio.lowlevel.enable_ki_protection
    def at_rest(self) -> None:
        """No message is being handled."""
        for answer in self._resting:
            self._suspended |= not answer.settled  # settled: cancelled, and has not run since
            answer.reply(None)
        self._resting.clear()

    def answer(self, actor: "Actor[Any]", statistics: Callable[[], "ActorStatistics"]) -> None:
        """Answer everyone, between two messages. An error of ``inspect`` goes to who asked for it."""
        self.at_rest()
        while self._inspections:
            try:
                self._inspections[0].reply(Inspection(statistics(), actor.inspect()))
            except Exception as error:  # the actor goes on
                self._inspections[0].fail(error)
            del self._inspections[0]

    @trio.lowlevel.enable_ki_protection
    def close(self, error: "ActorStopped") -> None:
        """The actor has ended: everyone who waits gets the error."""
        for answer in (*self._resting, *self._inspections):
            answer.fail(error)
        self._resting.clear()
        self._inspections.clear()


async def _wait_in(line: list[Answer]) -> Any:  # noqa: ANN401 - as Answer.wait
    answer = Answer()
    line.append(answer)
    try:
        return await answer.wait()
    except trio.Cancelled:
        if answer in line:  # else its turn came between the cancellation and this task's
            line.remove(answer)
        raise
