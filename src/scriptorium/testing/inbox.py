"""What came in, in order, for a test to wait for and look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import UnionType
from typing import Any, TypeVar, overload

import trio
from attrs import field, frozen

from scriptorium.runtime import (
    Actor,
    ChildSpec,
    Context,
    EventStream,
    Subscription,
    Supervisor,
    summary,
)
from scriptorium.testing.matching import described, matches

T = TypeVar("T")

EVENTS_KEPT = 100_000
_SHOWN = 5


class Inbox:
    """Remembers everything that comes in. `expect` and `expect_none` go through it from the oldest on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._received: list[object] = []
        self._times: list[float] = []
        self._taken = 0
        self._arrivals = trio.lowlevel.ParkingLot()

    @property
    def received(self) -> tuple[Any, ...]:
        """Everything so far, expected or not, oldest first."""
        return tuple(self._received)

    @property
    def times(self) -> tuple[float, ...]:
        """When each of `received` came in, in seconds of the trio clock."""
        return tuple(self._times)

    def forget(self) -> None:
        """Expect nothing of what has come so far; it stays in `received`."""
        self._taken = len(self._received)

    @overload
    async def expect(self, what: type[T], *, within_seconds: float = 3.0) -> T: ...
    @overload
    async def expect(self, what: UnionType, *, within_seconds: float = 3.0) -> Any: ...  # noqa: ANN401
    @overload
    async def expect(self, what: Callable[[Any], bool], *, within_seconds: float = 3.0) -> Any: ...  # noqa: ANN401
    @overload
    async def expect(self, what: T, *, within_seconds: float = 3.0) -> T: ...
    @overload
    async def expect(self, *, within_seconds: float = 3.0) -> object: ...
    async def expect(self, what: object = object, *, within_seconds: float = 3.0) -> object:
        """Take the next message, waiting for it, and return it.

        ``what`` is its type or a union of types, a predicate that it satisfies, or a value that it equals;
        without it, any message will do. AssertionError, which says what came instead, when the next one is
        another or none comes in time; on virtual time the wait costs nothing. Cancelled, it has taken none.
        """
        __tracebackhide__ = True
        message = await self._next(within_seconds)
        if message is _NOTHING:
            raise AssertionError(
                f"{self.name}: expected {described(what)}, but nothing came within {within_seconds:g} s"
                f"{self._history(self._taken)}"
            )
        if not matches(what, message):
            raise AssertionError(
                f"{self.name}: expected {described(what)}, but {summary(message)} came"
                f"{self._history(self._taken - 1)}"
            )
        return message

    async def expect_none(self, for_seconds: float = 1.0) -> None:
        """Wait so long, and see that nothing comes, and nothing has come that was not expected.

        AssertionError when something does. It waits for the whole of the time, which costs nothing on
        virtual time, and is real on any other.
        """
        __tracebackhide__ = True
        message = await self._next(for_seconds)
        if message is not _NOTHING:
            raise AssertionError(
                f"{self.name}: expected nothing for {for_seconds:g} s, but {summary(message)} came"
                f"{self._history(self._taken - 1)}"
            )

    async def _next(self, within_seconds: float) -> object:
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(within_seconds):
            while self._taken == len(self._received):
                await self._arrivals.park()
        if self._taken == len(self._received):
            return _NOTHING
        self._taken += 1
        return self._received[self._taken - 1]

    def _put(self, message: object) -> None:
        self._received.append(message)
        self._times.append(trio.current_time())
        self._arrivals.unpark()

    def _history(self, count: int) -> str:
        before = self._received[:count][-_SHOWN:]
        return f"; before that: {', '.join(map(summary, before))}" if before else ""


_NOTHING = object()


@asynccontextmanager
async def listen(events: EventStream, what: object = object) -> AsyncIterator[Inbox]:
    """An `Inbox` of what is published on the stream inside the block, as far as it matches ``what``.

    ``what`` is as for `Inbox.expect`. An event is in the inbox as soon as the loop has had a turn, and
    after the block all are. For tests: it keeps up to `EVENTS_KEPT` of them waiting, and all that came.
    """
    inbox = Inbox("the event stream")
    with events.subscribe(EVENTS_KEPT) as subscription:
        async with Supervisor("listener") as supervisor:
            await supervisor.start_child(ChildSpec("listener", lambda: _Listener(subscription, inbox, what)))
            yield inbox


@frozen(eq=False)
class _Listener(Actor[None]):
    subscription: Subscription
    inbox: Inbox
    what: object
    copied: trio.Event = field(factory=trio.Event)

    async def on_start(self, context: Context[None]) -> None:
        context.nursery.start_soon(self._copy)

    async def handle(self, message: None) -> None:
        """Nobody tells it anything."""

    async def on_stop(self) -> None:
        self.subscription.close()
        await self.copied.wait()

    async def _copy(self) -> None:
        async for event in self.subscription:
            if matches(self.what, event):
                self.inbox._put(event)
        self.copied.set()
