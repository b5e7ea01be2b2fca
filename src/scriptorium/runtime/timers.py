"""Messages that an actor sends to itself later, once or again and again."""

from typing import TYPE_CHECKING, Any, final

import trio

from scriptorium.runtime import intake
from scriptorium.runtime.errors import ActorStopped
from scriptorium.runtime.messages import Answer

if TYPE_CHECKING:
    from scriptorium.runtime.actor import Context


@final
class Timer:
    """Made by `Context.send_after` and `Context.send_every`. Dies with its incarnation."""

    __slots__ = ("_active", "_context", "_scope")

    def __init__(self, context: "Context[Any]") -> None:
        self._context = context
        self._scope = trio.CancelScope()
        self._active = True

    @property
    def active(self) -> bool:
        """It may still put a message into the mailbox."""
        return self._active and not self._over

    @property
    def _over(self) -> bool:
        return self._scope.cancel_called or self._context.ending

    def cancel(self) -> None:
        """Put no message any more: what is not in the mailbox now will not arrive. Again is no error."""
        self._scope.cancel()

    # Tasks of the incarnation's nursery. They look at _over once more after each sleep, since a task
    # that has been woken runs on although it is cancelled before its turn comes.

    async def send_once(self, seconds: float, message: object) -> None:
        with self._scope:
            await trio.sleep(seconds)
            await self._send(message, None)
        self._active = False

    async def send_again(self, seconds: float, message: object) -> None:
        due = trio.current_time() + seconds
        last: Answer | None = None
        with self._scope:
            while True:
                await trio.sleep_until(due)
                if last is None or last.settled:
                    last = Answer()
                    await self._send(message, last)
                due += seconds * ((trio.current_time() - due) // seconds + 1)
        self._active = False

    async def _send(self, message: object, answer: Answer | None) -> None:
        if self._over:
            return
        try:
            await intake.put_or_drop(self._context.ref._cell, message, answer)
        except ActorStopped:
            self._scope.cancel()
