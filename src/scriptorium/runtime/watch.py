"""The end of an actor, for others to wait for or to be told of."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, final

import trio

from scriptorium.runtime import intake
from scriptorium.runtime.errors import ActorStopped
from scriptorium.runtime.reasons import StopReason
from scriptorium.runtime.ref import Ref

if TYPE_CHECKING:
    from scriptorium.runtime.actor import Context


@final
class Watch:
    """One actor's end, which comes once. Made by `watch` and `Context.watch`."""

    __slots__ = ("_ref", "_scope")

    def __init__(self, ref: Ref[Any]) -> None:
        self._ref = ref
        self._scope = trio.CancelScope()

    @property
    def reason(self) -> StopReason | None:
        """Why the actor has ended; None while it has not (it may be restarting)."""
        return self._ref.stop_reason

    async def wait(self) -> StopReason:
        """Wait for the end, and return why; at once if it has ended. Cancelled, nothing is lost."""
        return await self._ref.wait_stopped()

    def cancel(self) -> None:
        """Have no message told of the end any more; one that is in the mailbox stays. Again is no error."""
        self._scope.cancel()

    async def tell(self, context: "Context[Any]", make: Callable[[StopReason], object]) -> None:
        """A task of the watcher's nursery."""
        with self._scope:
            reason = await self.wait()
            # Woken before it was cancelled, the task runs on: hence the look.
            if self._scope.cancel_called or context.ending:
                return
            message = make(reason)
            with suppress(ActorStopped):
                await intake.put_or_drop(context.ref._cell, message)


def watch(ref: Ref[Any]) -> Watch:
    """See an actor's end: ``await watch(ref).wait()``, or look at ``reason`` now and then."""
    return Watch(ref)
