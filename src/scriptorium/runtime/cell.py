"""What of an actor outlives its incarnations: the mailbox, the counters, and the end that others wait for."""

from contextvars import ContextVar
from enum import Enum
from itertools import islice

import attrs
import trio

from scriptorium.runtime.errors import ActorStopped
from scriptorium.runtime.events import DEAD_LETTERS_SHOWN, DeadLetters, EventStream
from scriptorium.runtime.mailbox import Mailbox
from scriptorium.runtime.messages import Asked
from scriptorium.runtime.reasons import StopReason


class ActorState(Enum):
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@attrs.frozen
class ActorStatistics:
    """An actor at one moment. ``busy``: it handles a message. ``dead_letters`` were accepted, and lost."""

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


NOTHING = object()
"""Stands for "no message is being handled": None could be a message."""

current_cell: ContextVar["Cell | None"] = ContextVar("scriptorium actor", default=None)
"""The actor whose context this is. Its background tasks inherit it: compare `Cell.task` as well."""


class Cell:
    """Belongs to the supervisor; `Ref` and the incarnations point at it."""

    __slots__ = (
        "asking",
        "current",
        "dead_letters",
        "events",
        "handled",
        "incarnation",
        "last_error",
        "mailbox",
        "name",
        "start_settled",
        "started_once",
        "state",
        "stopped",
        "supervisor",
        "task",
    )

    def __init__(self, supervisor: str, name: str, capacity: int, events: EventStream) -> None:
        self.supervisor = supervisor
        self.name = name
        self.events = events
        self.mailbox = Mailbox(name, capacity)
        self.state = ActorState.STARTING
        self.started_once = False
        self.start_settled = trio.Event()  # by the first start that succeeded, or by the end
        self.stopped = trio.Event()
        self.incarnation = 0
        self.handled = 0
        self.dead_letters = 0
        self.last_error: str | None = None
        self.current: object = NOTHING
        self.task: trio.lowlevel.Task | None = None  # the incarnation's: on_start, handle, on_stop
        self.asking: Cell | None = None  # whose answer that task waits for

    def statistics(self) -> ActorStatistics:
        return ActorStatistics(
            name=self.name,
            state=self.state,
            busy=self.current is not NOTHING,
            incarnation=self.incarnation,
            restarts=max(0, self.incarnation - 1),
            mailbox_length=len(self.mailbox.items),
            mailbox_capacity=self.mailbox.capacity,
            tasks_waiting_send=len(self.mailbox.senders),
            handled=self.handled,
            dead_letters=self.dead_letters,
            last_error=self.last_error,
        )

    def drop_current(self, error: Exception) -> None:
        """The incarnation is over: what it was handling is a dead letter, and its asker gets the error."""
        message, self.current = self.current, NOTHING
        if message is not NOTHING:
            if isinstance(message, Asked):
                message.fail(error)
            self._bury([message], 1)

    def close(self, reason: StopReason) -> None:
        """The end for good. Every message left is a dead letter, everyone who waits is told."""
        self.state = ActorState.STOPPED
        left = self.mailbox.close(reason)
        for message in left:
            if isinstance(message, Asked):
                message.fail(ActorStopped(self.name, reason))
        if left:
            self._bury(list(islice(left, DEAD_LETTERS_SHOWN)), len(left))
        self.start_settled.set()
        self.stopped.set()

    def _bury(self, shown: list[object], count: int) -> None:
        self.dead_letters += count
        first = tuple(item.message if isinstance(item, Asked) else item for item in shown)
        self.events.publish(DeadLetters(self.supervisor, self.name, count, first))
