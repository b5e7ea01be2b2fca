"""thespian: `simpleSystemBase`, one actor sending to another, its fastest way without leaving the process.

`multiprocTCPBase`, where every actor is a process and every message is pickled and sent over TCP, is no
measure for actors in one process: it takes about a hundredth of these messages per second. In
`simpleSystemBase` an actor's sends are queued and handled in turn in the one thread; tells from outside
the system, of which each is handled before it returns, are a fifth slower.
"""

import time
from typing import Any

from thespian.actors import Actor, ActorAddress, ActorSystem

BATCH = 1000
"""Its queue is a list that is popped at its front, so that it gets slower with what waits in it."""


class Counter(Actor):  # type: ignore[misc] # mypy is told to see no types
    """Told the last number first."""

    last: int | None = None
    seen = 0

    def receiveMessage(self, message: Any, sender: ActorAddress) -> None:  # noqa: ANN401, N802
        if self.last is None:
            self.last = message[0]
        elif message == self.last:
            self.seen = message
        elif message == "seen":
            self.send(sender, self.seen)


class Sender(Actor):  # type: ignore[misc]
    def receiveMessage(self, message: Any, sender: ActorAddress) -> None:  # noqa: ANN401, N802
        if isinstance(message, tuple):
            counter, first, messages = message
            end = min(first + BATCH, messages)
            for number in range(first, end):
                self.send(counter, number)
            if end < messages:
                self.send(self.myAddress, (counter, end, messages))


def tell(messages: int) -> float:
    system = ActorSystem("simpleSystemBase")
    try:
        counter, sender = system.createActor(Counter), system.createActor(Sender)
        system.tell(counter, (messages - 1,))
        start = time.perf_counter()
        system.tell(sender, (counter, 0, messages))
        seen = system.ask(counter, "seen")
        seconds = time.perf_counter() - start
        assert seen == messages - 1
    finally:
        system.shutdown()
    return messages / seconds
