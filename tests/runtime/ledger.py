"""A worker and a ledger of what became of each message, for the property tests of the mailbox."""

import attrs
import trio

from scriptorium.runtime import (
    Actor,
    Context,
    Request,
)


class Planned(Exception):
    """The crash that a script asks for."""


@attrs.frozen(eq=False)
class Work(Request[int]):
    number: int
    act: str  # "handle", "crash", "stash", "stash and crash", "unstash"
    seconds: float


@attrs.frozen
class Step:
    pause: float
    how: str  # "tell", "tell_nowait", "ask", "impatient tell", "fault", "suspend", "resume", "inspect"
    act: str
    seconds: float


@attrs.define(eq=False)
class Ledger:
    """What became of each message, as its sender and its receiver saw it."""

    put: list[int] = attrs.field(factory=list)  # the sender was told that it was put
    unsure: list[int] = attrs.field(factory=list)  # the sender was not told whether it was handled
    refused: list[int] = attrs.field(factory=list)
    replied: list[int] = attrs.field(factory=list)
    handled: list[int] = attrs.field(factory=list)
    contexts: list[Context[Work]] = attrs.field(factory=list)
    waits: int = 0


class Worker(Actor[Work]):
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.aside: set[int] = set()

    async def on_start(self, context: Context[Work]) -> None:
        await trio.lowlevel.checkpoint()
        self.context = context
        self.ledger.contexts.append(context)

    async def handle(self, message: Work) -> int:
        await trio.sleep(message.seconds)
        if message.act.startswith("stash") and message.number not in self.aside:
            self.aside.add(message.number)
            self.context.stash()
            await trio.lowlevel.checkpoint()
            if message.act == "stash and crash":
                raise Planned
            return -1
        if message.act == "crash":
            raise Planned
        if message.act == "unstash":
            self.context.unstash_all()
        self.ledger.handled.append(message.number)
        return message.number
