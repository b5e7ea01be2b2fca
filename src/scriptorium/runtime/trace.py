"""The trace of messages: what became of each message, and which other message it was sent because of."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from itertools import count

import attrs
import trio

from scriptorium.runtime.events import EventStream
from scriptorium.runtime.reasons import describe
from scriptorium.runtime.summary import summary

TRACE_LINES_CAPACITY = 4096


class TraceKind(Enum):
    PUT = "put"
    HANDLED = "handled"
    DEAD = "dead"


@attrs.frozen
class MessageTraced:
    """A message was put into a mailbox, was handled, or became a dead letter (also without a put).

    Args:
        id: counts the traced messages of the trio run; the same for all events of one message.
        cause: the id of the message during whose handling this one was sent, by the actor itself or
            by a task, timer or watch that it started then; None if that one was not traced.
        sender: ``supervisor/child`` of the actor that sent it, None if that was no actor.
        receiver: ``supervisor/child`` of the actor whose mailbox it is.
        message_type: the name of its class.
        summary: its ``repr``, cut short.
        at_seconds: on trio's clock.
        duration_seconds: from the beginning of its handling; None if it was not begun.
        error: why it is dead, if an error was the reason.
    """

    kind: TraceKind
    id: int
    cause: int | None
    sender: str | None
    receiver: str
    message_type: str
    summary: str
    at_seconds: float
    duration_seconds: float | None = None
    error: str | None = None


_ids: trio.lowlevel.RunVar["count[int]"] = trio.lowlevel.RunVar("scriptorium trace ids")

_cause: ContextVar[int | None] = ContextVar("scriptorium trace cause", default=None)


class Trace:
    """One traced message, from when it was sent."""

    __slots__ = ("_begun_seconds", "_cause", "_events", "_id", "_message", "_receiver", "_sender")

    def __init__(self, events: EventStream, message: object, sender: str | None, receiver: str) -> None:
        self._events = events
        self._message = message
        self._sender = sender
        self._receiver = receiver
        self._id = _next_id()
        self._cause = _cause.get()
        self._begun_seconds: float | None = None

    @contextmanager
    def handling(self) -> Iterator[None]:
        """What is sent inside has this message as its cause. An error leaves it to `dead` to tell."""
        self._begun_seconds = trio.current_time()
        token = _cause.set(self._id)
        try:
            yield
        finally:
            _cause.reset(token)

    def put(self) -> None:
        self._publish(TraceKind.PUT)

    def handled(self) -> None:
        self._publish(TraceKind.HANDLED)

    def dead(self, error: BaseException) -> None:
        self._publish(TraceKind.DEAD, describe(error))

    def _publish(self, kind: TraceKind, error: str | None = None) -> None:
        now = trio.current_time()
        self._events.publish(
            MessageTraced(
                kind=kind,
                id=self._id,
                cause=self._cause,
                sender=self._sender,
                receiver=self._receiver,
                message_type=type(self._message).__qualname__,
                summary=summary(self._message),
                at_seconds=now,
                duration_seconds=None if self._begun_seconds is None else now - self._begun_seconds,
                error=error,
            )
        )


def _next_id() -> int:
    try:
        ids = _ids.get()
    except LookupError:
        ids = count(1)
        _ids.set(ids)
    return next(ids)


async def trace_lines(
    events: EventStream,
    write: Callable[[str], object],
    *,
    capacity: int = TRACE_LINES_CAPACITY,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Write each `MessageTraced` of the stream as one line of JSON, until cancelled.

    Start it with ``await nursery.start(trace_lines, events, file.write)``. ``write`` is called in the
    loop, so it must be quick; what it raises ends this task. At most ``capacity`` events wait to be
    written; when some were lost because it came too late, a line ``{"lost": n}`` says so. Cancelled,
    it has written whole lines.
    """
    lost = 0
    with events.subscribe(capacity) as news:
        task_status.started()
        async for event in news:
            if (dropped := news.statistics().dropped) > lost:
                write(json.dumps({"lost": dropped - lost}) + "\n")
                lost = dropped
            if isinstance(event, MessageTraced):
                write(json.dumps(attrs.asdict(event) | {"kind": event.kind.value}) + "\n")
