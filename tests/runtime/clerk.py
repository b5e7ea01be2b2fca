"""An actor for the tests of messages: it does what each message says, and keeps a diary."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import trio

from scriptorium.runtime import (
    Actor,
    ChildSpec,
    Context,
    EventStream,
    Ref,
    Request,
    Subscription,
)


@attrs.frozen
class Do(Request[Any]):
    """A message that brings its own handling, with the clerk's context as its argument."""

    work: Callable[[Context[Any]], Awaitable[object]]


@attrs.frozen
class Note(Request[str]):
    """A message that is only written down."""

    text: str


@attrs.define(eq=False)
class Diary:
    """What the incarnations of one clerk did, and the context of the latest."""

    lines: list[str] = attrs.field(factory=list)
    context: Any = None

    def take(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


class Clerk(Actor[Do | Note]):
    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    async def on_start(self, context: Context[Do | Note]) -> None:
        self.context = self.diary.context = context
        self.diary.lines.append("start")

    async def handle(self, message: Do | Note) -> object:
        match message:
            case Do(work):
                return await work(self.context)
            case Note(text):
                self.diary.lines.append(text)
                return f"noted {text}"

    async def on_stop(self) -> None:
        self.diary.lines.append("stop")


def clerk(diary: Diary, child_id: str = "clerk", **options: Any) -> ChildSpec[Do | Note]:
    return ChildSpec(child_id, lambda: Clerk(diary), **options)


def arrived(ref: Ref[Any]) -> int:
    """How many messages have come so far, handled or not."""
    statistics = ref.statistics()
    return statistics.handled + statistics.busy + statistics.mailbox_length


async def crash(_context: object) -> None:
    await trio.lowlevel.checkpoint()
    raise ValueError("crash")


async def forever(_context: object) -> None:
    await trio.sleep_forever()


def until(event: trio.Event) -> Do:
    async def work(_context: object) -> None:
        await event.wait()

    return Do(work)


async def seen_on(news: Subscription, kind: type[Any]) -> list[Any]:
    """The events of that kind that wait on the subscription."""
    events = [await news.__anext__() for _ in range(news.statistics().waiting)]
    return [event for event in events if isinstance(event, kind)]


def stream() -> tuple[EventStream, Subscription]:
    events = EventStream()
    return events, events.subscribe(10_000)
