"""News for whoever looks: a stream that never slows its publisher, and what supervisors publish on it."""

from collections import deque
from enum import Enum
from types import TracebackType
from typing import Self, final

import attrs
import trio

from scriptorium.runtime.reasons import StopReason


@attrs.frozen
class ChildStarted:
    """``on_start`` has succeeded. ``incarnation`` counts from 1."""

    supervisor: str
    child: str
    incarnation: int


@attrs.frozen
class ChildCrashed:
    """An error left ``on_start``, ``handle``, ``on_stop`` or a background task; or the child hung."""

    supervisor: str
    child: str
    incarnation: int
    error: Exception


@attrs.frozen
class ChildRestarting:
    """The child will be started again after the delay, with ``failures`` in a row behind it."""

    supervisor: str
    child: str
    failures: int
    delay_seconds: float


@attrs.frozen
class ChildStopped:
    """The child has ended for good."""

    supervisor: str
    child: str
    reason: StopReason


class DeadLetterCause(Enum):
    """Why messages will not be handled."""

    CRASH = "handling it crashed"
    STOP = "the actor stopped"
    OVERFLOW = "the mailbox was full"
    INJECTED = "an interceptor dropped it"


@attrs.frozen
class DeadLetters:
    """Messages that will not be handled: one at a crash or an overflow, those left at a stop.

    ``first`` holds at most `DEAD_LETTERS_SHOWN` of the ``count`` messages.
    """

    supervisor: str
    child: str
    count: int
    first: tuple[object, ...]
    cause: DeadLetterCause


@attrs.frozen
class SupervisorGaveUp:
    """The intensity is used up: the children are being stopped, `SupervisorFailed` follows."""

    supervisor: str
    child: str
    error: Exception | None


DEAD_LETTERS_SHOWN = 16


@attrs.frozen
class SubscriptionStatistics:
    """``waiting`` events to be read, at most ``capacity``; ``dropped`` ones were older and are lost."""

    waiting: int
    capacity: int
    dropped: int


class EventStream:
    """Publish and subscribe inside one trio run. Publishing is synchronous, never waits, never fails."""

    def __init__(self) -> None:
        self._subscriptions: dict[Subscription, None] = {}

    def publish(self, event: object) -> None:
        """Give the event to every subscription; one that is full loses its oldest."""
        for subscription in self._subscriptions:
            subscription._take(event)

    def subscribe(self, capacity: int) -> "Subscription":
        """Every event from now on, the newest ``capacity`` of them kept. Use it as a context manager."""
        subscription = Subscription(self, capacity)
        self._subscriptions[subscription] = None
        return subscription

    def _remove(self, subscription: "Subscription") -> None:
        self._subscriptions.pop(subscription, None)


@final
class Subscription:
    """One reader's bounded view of a stream; made by `EventStream.subscribe`.

    Iterating waits for the next event; cancellation while waiting loses none. After `close`, what
    is left is still given, then the iteration ends.
    """

    def __init__(self, stream: EventStream, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a subscription needs room for at least one event, not {capacity}")
        self._stream = stream
        self._capacity = capacity
        self._events: deque[object] = deque(maxlen=capacity)
        self._dropped = 0
        self._closed = False
        self._readers = trio.lowlevel.ParkingLot()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> object:
        await trio.lowlevel.checkpoint()
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            await self._readers.park()
        return self._events.popleft()

    def _take(self, event: object) -> None:
        if len(self._events) == self._capacity:
            self._dropped += 1
        self._events.append(event)
        self._readers.unpark()

    def statistics(self) -> SubscriptionStatistics:
        return SubscriptionStatistics(len(self._events), self._capacity, self._dropped)

    def close(self) -> None:
        """End the subscription. Again is no error."""
        self._closed = True
        self._stream._remove(self)
        self._readers.unpark_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
