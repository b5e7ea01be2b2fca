"""A bounded queue with one receiver, that outlives its receiver.

A trio channel would do, but for three things: it must survive a restart with what is in it, the
receiver must be woken for control without a message, and closing must hand back what was left.
"""

from collections import OrderedDict, deque

import outcome
import trio

from scriptorium.runtime.errors import ActorStopped
from scriptorium.runtime.reasons import StopReason


class Mailbox:
    """First in, first out. Senders that find it full wait in their order.

    ``items`` and ``room`` are public to `Ref` and to the actor's loop, because a method call for
    each message is a tenth of the whole cost. ``room`` is the capacity, and 0 once closed, so that
    one comparison answers both "is it full" and "is it open".
    """

    __slots__ = ("capacity", "items", "name", "reason", "receiver", "room", "senders")

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.room = capacity
        self.items: deque[object] = deque()
        self.senders: OrderedDict[trio.lowlevel.Task, object] = OrderedDict()
        self.receiver: trio.lowlevel.Task | None = None
        self.reason: StopReason | None = None

    @trio.lowlevel.enable_ki_protection
    async def put(self, item: object) -> None:
        """Add the item, waiting for room. Cancelled while waiting, the item was never added.

        Raises `ActorStopped` if the mailbox is closed, before or while waiting.
        """
        if self.reason is not None:
            raise ActorStopped(self.name, self.reason)
        if len(self.items) < self.room:
            self.items.append(item)
            self.wake()
            return
        task = trio.lowlevel.current_task()
        self.senders[task] = item

        def give_up(_raise_cancel: object) -> trio.lowlevel.Abort:
            del self.senders[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    @trio.lowlevel.enable_ki_protection
    def admit(self) -> None:
        """Let waiting senders in, as far as there is room. The receiver calls it after each item."""
        while self.senders and len(self.items) < self.room:
            task, item = self.senders.popitem(last=False)
            self.items.append(item)
            trio.lowlevel.reschedule(task)

    @trio.lowlevel.enable_ki_protection
    def wake(self) -> None:
        """Wake the receiver if it waits: there is an item, or something else to look at."""
        if self.receiver is not None:
            trio.lowlevel.reschedule(self.receiver)
            self.receiver = None

    @trio.lowlevel.enable_ki_protection
    async def wait(self) -> None:
        """Wait until `wake`. Only for the receiver, only when there is nothing to do."""
        assert self.receiver is None, "a mailbox has one receiver"  # noqa: S101
        self.receiver = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._forget_receiver)

    def _forget_receiver(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self.receiver = None
        return trio.lowlevel.Abort.SUCCEEDED

    @trio.lowlevel.enable_ki_protection
    def close(self, reason: StopReason) -> deque[object]:
        """Refuse everything from now on; waiting senders get `ActorStopped`. Returns what is left."""
        self.reason = reason
        self.room = 0
        left, self.items = self.items, deque()
        for task in self.senders:
            trio.lowlevel.reschedule(task, outcome.Error(ActorStopped(self.name, reason)))
        self.senders.clear()
        return left
