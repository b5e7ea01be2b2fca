"""What the author of an actor writes, and what the runtime gives it to work with."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
import trio

if TYPE_CHECKING:
    from scriptorium.runtime.events import EventStream
    from scriptorium.runtime.ref import Ref

M = TypeVar("M")


@attrs.frozen(eq=False)
class Context(Generic[M]):
    """One incarnation's view of its surroundings.

    ``nursery`` is the incarnation's own: an error in it is a crash of the actor, and it is cancelled
    when the actor stops or crashes. ``ref`` is the same through all incarnations.
    """

    name: str
    ref: "Ref[M]"
    nursery: trio.Nursery
    events: "EventStream"
    _stop: Callable[[], None]

    def stop(self) -> None:
        """End this actor in order after the message being handled: ``on_stop``, then `StopKind.NORMAL`.

        A permanent child is started again; for the others it is the end, and what is still in the
        mailbox becomes dead letters.
        """
        self._stop()


class Actor(ABC, Generic[M]):
    """State, and a handler that is called with one message at a time.

    A crash is an `Exception` that leaves ``on_start``, ``handle`` or a task in the context's nursery.
    The supervisor then makes a new actor from the factory, so nothing needs to be tidied up by hand
    that ``finally`` does not tidy up.
    """

    async def on_start(self, context: Context[M]) -> None:
        """Called first. An error is a failed start. Keep ``context`` if it is needed later."""

    @abstractmethod
    async def handle(self, message: M) -> object:
        """Handle one message. For one that was asked, the return value is the reply."""

    async def on_stop(self) -> None:
        """Called at an orderly stop, shielded from cancellation for at most ``stop_grace_seconds``.

        The nursery's tasks are still alive. An error is reported and does not keep the actor from stopping.
        """
