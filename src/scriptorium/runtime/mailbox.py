"""A bounded queue with one receiver, that outlives its receiver.

A trio channel would do, but for three things: it must survive a restart with what is in it, the
receiver must be woken for control without a message, and closing must hand back what was left.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence

import outcome
import trio

from scriptorium.runtime.errors import ActorStopped
from scriptorium.runtime.messages import Envelope
from scriptorium.runtime.reasons import StopReason


class Mailbox:
    """First in, first out. Senders that find it full wait in their order.

    ``items`` and ``room`` are public to `Ref` and to the actor's loop, because a method call for
    each message is a tenth of the whole cost. ``room`` is the capacity, and 0 whenever a message
    needs a closer look (closed, traced, intercepted), so that one comparison answers everything.
    ``urgent`` has the receiver look for something other than a message before it takes the next.
    """

    __slots__ = ("_screened", "capacity", "items", "name", "reason", "receiver", "room", "senders", "urgent")

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.room = capacity
        self.items: deque[object] = deque()
        self.senders: OrderedDict[trio.lowlevel.Task, object] = OrderedDict()
        self.receiver: trio.lowlevel.Task | None = None
        self.reason: StopReason | None = None
        self.urgent = False
        self._screened = False

    @property
    def full(self) -> bool:
        return len(self.items) >= self.capacity

    def screen(self, on: bool) -> None:
        """Send every put round by the slow way, or no longer."""
        self._screened = on
        self._settle_room()

    def _settle_room(self) -> None:
        self.room = 0 if self._screened or self.reason is not None else self.capacity

    # ---- for senders

    @trio.lowlevel.enable_ki_protection
    def add(self, item: object) -> None:
        """Add the item at the end, whether or not there is room."""
        self.items.append(item)
        if type(item) is Envelope and item.trace is not None:
            item.trace.put()
        self.wake()

    @trio.lowlevel.enable_ki_protection
    async def wait_for_room(self, item: object) -> None:
        """Add the item when it is its turn. Cancelled, it was never added.

        Only for a mailbox that is open and full. Raises `ActorStopped` if it is closed meanwhile.
        """
        task = trio.lowlevel.current_task()
        self.senders[task] = item

        def give_up(_raise_cancel: object) -> trio.lowlevel.Abort:
            del self.senders[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    # ---- for the receiver

    @trio.lowlevel.enable_ki_protection
    def admit(self) -> None:
        """Let waiting senders in, as far as there is room. The receiver calls it after each item."""
        while self.senders and len(self.items) < self.capacity:
            task, item = self.senders.popitem(last=False)
            self.items.append(item)
            if type(item) is Envelope and item.trace is not None:
                item.trace.put()
            trio.lowlevel.reschedule(task)

    @trio.lowlevel.enable_ki_protection
    def put_back(self, items: Sequence[object]) -> None:
        """Add items in front, in their order, whether or not there is room."""
        self.items.extendleft(reversed(items))
        self.wake()

    @trio.lowlevel.enable_ki_protection
    def wake(self) -> None:
        """Wake the receiver if it waits: there is an item, or something else to look at."""
        if self.receiver is not None:
            trio.lowlevel.reschedule(self.receiver)
            self.receiver = None

    def hurry(self) -> None:
        """Have the receiver look for something other than an item, before the next one."""
        self.urgent = True
        self.wake()

    @trio.lowlevel.enable_ki_protection
    async def wait(self) -> None:
        """Wait until `wake`. Only for the receiver, only when there is nothing to do."""
        assert self.receiver is None, "a mailbox has one receiver"  # noqa: S101
        self.receiver = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._forget_receiver)

    def _forget_receiver(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self.receiver = None
        return trio.lowlevel.Abort.SUCCEEDED

    # ---- the end

    @trio.lowlevel.enable_ki_protection
    def refuse(self, reason: StopReason) -> None:
        """Take nothing new from now on; waiting senders get `ActorStopped`. What is in it stays."""
        self.reason = reason
        self._settle_room()
        for task in self.senders:
            trio.lowlevel.reschedule(task, outcome.Error(ActorStopped(self.name, reason)))
        self.senders.clear()

    @trio.lowlevel.enable_ki_protection
    def close(self, reason: StopReason) -> deque[object]:
        """Refuse everything from now on, and return what is left."""
        self.refuse(reason)
        left, self.items = self.items, deque()
        return left
