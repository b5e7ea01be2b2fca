"""What of an actor outlives its incarnations: the mailbox, the counters, and the end that others wait for."""

from collections.abc import Callable, Collection
from contextvars import ContextVar
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs
import trio

from scriptorium.runtime.control import Control
from scriptorium.runtime.errors import ActorStopped, MessageDropped
from scriptorium.runtime.events import DEAD_LETTERS_SHOWN, DeadLetterCause, DeadLetters, EventStream
from scriptorium.runtime.flag import Flag
from scriptorium.runtime.intercept import Interceptor
from scriptorium.runtime.mailbox import Mailbox
from scriptorium.runtime.messages import Envelope
from scriptorium.runtime.overflow import Overflow
from scriptorium.runtime.reasons import StopReason

if TYPE_CHECKING:
    from scriptorium.runtime.child_spec import ChildSpec
    from scriptorium.runtime.names import Names


class ActorState(Enum):
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@attrs.frozen
class ActorStatistics:
    """An actor at one moment.

    Args:
        busy: it handles a message.
        tasks_waiting_send: senders that wait for room in the mailbox.
        handled: messages, over all incarnations.
        dead_letters: messages that will never be handled, whatever the cause.
        suspended: it takes no message until it is resumed.
        stashed: messages it has put aside.
        overflow: its policy for messages that find the mailbox full.
        overflowed: messages that did, and were refused or dropped, or had an older one dropped.
        uptime_seconds: since the present incarnation has started; 0 while there is none.
    """

    name: str
    state: ActorState
    busy: bool
    incarnation: int
    restarts: int
    mailbox_length: int
    mailbox_capacity: int
    tasks_waiting_send: int
    handled: int
    dead_letters: int
    last_error: str | None
    suspended: bool
    stashed: int
    overflow: Overflow
    overflowed: int
    uptime_seconds: float = attrs.field(eq=False)


NOTHING = object()
"""Stands for "no message is being handled": None could be a message."""

STASHED = object()
"""Stands for "the message being handled is in the stash already, as its last"."""

current_cell: ContextVar["Cell | None"] = ContextVar("scriptorium actor", default=None)
"""The actor whose context this is. Its background tasks inherit it: compare `Cell.task` as well."""


class Cell:
    """Belongs to the supervisor; `Ref` and the incarnations point at it."""

    __slots__ = (
        "asking",
        "control",
        "current",
        "dead_letters",
        "events",
        "handled",
        "incarnation",
        "interceptor",
        "last_error",
        "mailbox",
        "name",
        "names",
        "overflow",
        "overflowed",
        "put_aside",
        "registered_name",
        "running_since",
        "start_settled",
        "started_once",
        "stash",
        "stash_capacity",
        "state",
        "stopped",
        "supervisor",
        "task",
        "traced",
        "transit",
    )

    def __init__(
        self, supervisor: str, spec: "ChildSpec[Any]", events: EventStream, names: "Names | None" = None
    ) -> None:
        self.supervisor = supervisor
        self.name = spec.id
        self.events = events
        self.names = names if spec.name is not None else None
        self.registered_name = spec.name
        self.mailbox = Mailbox(spec.id, spec.mailbox_capacity)
        self.overflow = spec.overflow
        self.overflowed = 0
        self.state = ActorState.STARTING
        self.started_once = False
        self.start_settled = Flag()  # by the first start that succeeded, or by the end
        self.stopped = Flag()
        self.incarnation = 0
        self.running_since: float | None = None
        self.handled = 0  # how often handle has returned
        self.put_aside = 0  # how often that was for a message that went into the stash
        self.dead_letters = 0
        self.last_error: str | None = None
        self.current: object = NOTHING
        self.stash: list[object] = []
        self.stash_capacity = spec.stash_capacity
        self.control: Control | None = None
        self.traced = False
        self.interceptor: Interceptor | None = None
        self.transit: dict[Envelope, trio.CancelScope] | None = None  # delayed by an interceptor
        self.task: trio.lowlevel.Task | None = None  # the incarnation's: on_start, handle, on_stop
        self.asking: Cell | None = None  # whose answer that task waits for

    @property
    def path(self) -> str:
        return f"{self.supervisor}/{self.name}"

    @property
    def suspended(self) -> bool:
        return self.control is not None and self.control.suspended

    def statistics(self) -> ActorStatistics:
        since = self.running_since
        return ActorStatistics(
            name=self.name,
            state=self.state,
            busy=self.current is not NOTHING,
            incarnation=self.incarnation,
            restarts=max(0, self.incarnation - 1),
            mailbox_length=len(self.mailbox.items),
            mailbox_capacity=self.mailbox.capacity,
            tasks_waiting_send=len(self.mailbox.senders),
            handled=self.handled - self.put_aside + (self.current is STASHED),
            dead_letters=self.dead_letters,
            last_error=self.last_error,
            suspended=self.suspended,
            stashed=len(self.stash),
            overflow=self.overflow,
            overflowed=self.overflowed,
            uptime_seconds=0.0 if since is None else trio.current_time() - since,
        )

    def claim_name(self) -> None:
        """Keep the name of the spec for this actor until its end. Raises `NameTaken`."""
        if self.names is not None and self.registered_name is not None:
            self.names.claim(self.registered_name)

    # ---- every message

    def trace(self, on: bool) -> None:
        self.traced = on
        self._screen()

    def intercept(self, interceptor: Interceptor | None) -> None:
        self.interceptor = interceptor
        self._screen()

    def _screen(self) -> None:
        self.mailbox.screen(self.traced or self.interceptor is not None)

    # ---- control

    def control_lane(self) -> Control:
        """Made when it is first needed: most actors are never suspended nor inspected."""
        if self.control is None:
            self.control = Control()
        return self.control

    # ---- dead letters

    def drop_current(self, error: Exception | None, reason: StopReason) -> None:
        """The incarnation is over, not the actor: what it was handling is a dead letter.

        An asker of it gets the error; without one it was cancelled by a stop, for the reason.
        """
        self._bury_current(error, reason)
        if self.control is not None:
            self.control.at_rest()

    def _bury_current(self, error: Exception | None, reason: StopReason) -> None:
        message, self.current = self.current, NOTHING
        if message is STASHED:
            message = self.stash.pop()
            self.put_aside -= 1
        if message is not NOTHING and error is not None:
            self.bury([message], DeadLetterCause.CRASH, lambda: error)
        elif message is not NOTHING:
            self.bury([message], DeadLetterCause.STOP, lambda: ActorStopped(self.name, reason))

    def drop(self, item: object, cause: DeadLetterCause) -> None:
        """A message will not be handled although the actor lives."""
        self.bury([item], cause, lambda: MessageDropped(self.name, cause))

    def bury(self, items: Collection[object], cause: DeadLetterCause, error: Callable[[], Exception]) -> None:
        """The items are dead letters, and those who wait for an answer get the error."""
        self.dead_letters += len(items)
        for item in items:
            if type(item) is Envelope:
                item.end(error())
        first = tuple(
            item.message if type(item) is Envelope else item for item in islice(items, DEAD_LETTERS_SHOWN)
        )
        self.events.publish(DeadLetters(self.supervisor, self.name, len(items), first, cause))

    # ---- the end

    def close(self, reason: StopReason) -> None:
        """The end for good. The message at hand and all that are left are dead letters; who waits is told."""
        self.state = ActorState.STOPPED
        self._bury_current(reason.error, reason)
        left = self.mailbox.close(reason)
        left.extendleft(reversed(self.stash))
        self.stash.clear()
        for message, arrival in (self.transit or {}).items():
            arrival.cancel()
            left.append(message)
        self.transit = None
        if left:
            self.bury(left, DeadLetterCause.STOP, lambda: ActorStopped(self.name, reason))
        if self.control is not None:
            self.control.close(ActorStopped(self.name, reason))
        if self.names is not None and self.registered_name is not None:
            self.names.release(self.registered_name)
        self.start_settled.set()
        self.stopped.set()
