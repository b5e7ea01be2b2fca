"""Who is told to look again, and whether everybody has: the level-triggered heart of the service.

A piece of news carries nothing. It raises a generation number and leaves one `LookAgain` in the mailbox of
each subscriber, whose capacity of one folds a burst of news into one look. A subscriber that rests at the
present generation has nothing left to do: that is how `--until-idle` knows.
"""

from __future__ import annotations

import trio
from attrs import define, field

from scriptorium.actors.messages import LookAgain
from scriptorium.runtime import ActorStopped, MailboxFull, Ref

MAILBOX_CAPACITY = 1


@define(eq=False)
class News:
    """The subscribers, and at which generation each of them rests."""

    generation: int = 0
    _subscribers: dict[str, Ref[LookAgain]] = field(factory=dict)
    _resting: dict[str, tuple[int, object] | None] = field(factory=dict)
    _changed: trio.Event = field(factory=trio.Event)

    def expect(self, name: str) -> None:
        """An actor of this name will subscribe; until it rests, nothing is idle."""
        self._resting[name] = None

    def subscribe(self, name: str, ref: Ref[LookAgain]) -> None:
        """Tell this actor of every change from now on. Subscribing again (a restart) replaces."""
        self._resting[name] = None
        self._subscribers[name] = ref

    def publish(self) -> None:
        """Something changed. Never blocks; safe to call from any task of the loop."""
        self.generation += 1
        for ref in self._subscribers.values():
            try:
                ref.tell_nowait(LookAgain())
            except (MailboxFull, ActorStopped):
                # Full: a LookAgain is waiting already. Stopped: a restart begins with a look.
                continue
        self._wake()

    def busy(self, name: str) -> None:
        """This actor is at work."""
        self._resting[name] = None

    def rest(self, name: str, generation: int, seen: object) -> None:
        """This actor has nothing to do as of that generation, having seen the refs as `seen` says."""
        self._resting[name] = (generation, seen)
        self._wake()

    def all_rest(self, seen: object) -> bool:
        """Whether every actor has looked at the latest news and at these refs, and found nothing to do."""
        return all(rest == (self.generation, seen) for rest in self._resting.values())

    def next_change(self) -> trio.Event:
        """Set at the next news, or when the next actor comes to rest. Take it before looking."""
        return self._changed

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
