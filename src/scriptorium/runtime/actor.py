"""What the author of an actor writes, and what the runtime gives it to work with."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import trio

from scriptorium.runtime import stash
from scriptorium.runtime.reasons import StopReason
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.summary import attributes
from scriptorium.runtime.timers import Timer
from scriptorium.runtime.watch import Watch

if TYPE_CHECKING:
    from scriptorium.runtime.events import EventStream
    from scriptorium.runtime.incarnation import Incarnation

M = TypeVar("M")


@attrs.frozen(eq=False)
class Context(Generic[M]):
    """One incarnation's view of its surroundings.

    ``nursery`` is the incarnation's own: an error in it is a crash of the actor, and it is cancelled
    when the actor stops or crashes. ``ref`` is the same through all incarnations.
    """

    name: str
    ref: Ref[M]
    nursery: trio.Nursery
    events: "EventStream"
    _life: "Incarnation"

    def stop(self) -> None:
        """End this actor in order after the message being handled: ``on_stop``, then `StopKind.NORMAL`.

        A permanent child is started again; for the others it is the end, and what is still in the
        mailbox becomes dead letters.
        """
        self._life.finish()

    @property
    def ending(self) -> bool:
        """This incarnation is stopping, has crashed or is over: its timers and watches tell nothing more."""
        return self._life.ending

    # ---- later messages to oneself

    def send_after(self, seconds: float, message: M) -> Timer:
        """Have the message put into the own mailbox after so many seconds, by this incarnation if it lives.

        It waits for room as `Ref.tell` does; where that would fail the message is a dead letter.
        """
        if not seconds >= 0:
            raise ValueError(f"a message can be sent after 0 s or more, not after {seconds:g} s")
        timer = Timer(self)
        self.nursery.start_soon(timer.send_once, seconds, message, name=f"{self.name} timer")
        return timer

    def send_every(self, seconds: float, message: M) -> Timer:
        """Have the message put into the own mailbox every so many seconds, first after so many.

        One at a time: while the last one has not been handled, the ones that are due are left out. A
        late one does not delay the next.
        """
        if not seconds > 0:
            raise ValueError(f"a message can be sent every more than 0 s, not every {seconds:g} s")
        timer = Timer(self)
        self.nursery.start_soon(timer.send_again, seconds, message, name=f"{self.name} timer")
        return timer

    def watch(self, ref: Ref[Any], make: Callable[[StopReason], M]) -> Watch:
        """Have ``make(reason)`` put into the own mailbox when that actor ends for good; once.

        At once if it has ended already; not after this incarnation has. An error of ``make`` is a
        crash of this actor. The message is put as one of `send_after` is.
        """
        seen = Watch(ref)
        self.nursery.start_soon(seen.tell, self, make, name=f"{self.name} watches {ref.name}")
        return seen

    # ---- the stash

    def stash(self) -> None:
        """Put the message being handled aside, for `unstash_all`. Call it inside ``handle``.

        It is done when ``handle`` returns; if that crashes instead, the message is a dead letter as
        always. Whoever asked gets the reply when the message is handled in the end. The stash goes
        back to the mailbox by itself at a restart, and becomes dead letters at the end. Raises
        `StashFull`, or `RuntimeError` when no message is being handled.
        """
        stash.put_aside(self.ref._cell)

    def unstash_all(self) -> None:
        """Put what was put aside in front of the mailbox, in its order, whether or not there is room.

        A message that ``handle`` puts aside right now stays in the stash.
        """
        stash.take_back(self.ref._cell)


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

    def inspect(self) -> object:
        """What `Ref.inspect` shows of this actor's state; called between two messages, must be quick.

        By default its attributes, each as its ``repr``, cut short.
        """
        return attributes(self)
