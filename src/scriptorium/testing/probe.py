"""An actor that stands in for another one in a test: it records what it is told, and replies when told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, final

import outcome
from attrs import define, field

from scriptorium.runtime import (
    Actor,
    Backoff,
    ChildSpec,
    Context,
    Intensity,
    Ref,
    Request,
    Supervisor,
    summary,
)
from scriptorium.testing.inbox import Inbox

REQUESTS_OPEN = 10_000
"""Requests that a probe can owe a reply at once."""


@final
class Probe(Inbox):
    """A test's end of an actor. Start it with ``spec``, or use `open_probe`.

    What it is told is `received` at once, also while a request waits for its reply. It outlives restarts
    of its actor, and so does what it owes.
    """

    def __init__(self, name: str = "probe") -> None:
        super().__init__(name)
        self._actor: _ProbeActor | None = None
        self._owed: list[_Owed] = []

    def spec(self, **options: Any) -> ChildSpec[Any]:  # noqa: ANN401 - those of ChildSpec
        """The declaration of its actor, to be started once, under any supervisor."""
        # Drained, so that a reply just before the end still arrives.
        given: dict[str, Any] = {"stash_capacity": REQUESTS_OPEN, "drain_seconds": 1.0, **options}
        return ChildSpec(self.name, lambda: _ProbeActor(self), **given)

    @property
    def ref(self) -> Ref[Any]:
        """What is told to this comes in here. RuntimeError before its actor was started."""
        return self._life.context.ref

    @property
    def _life(self) -> _ProbeActor:
        if self._actor is None:
            raise RuntimeError(f"{self.name} has no actor yet: start its spec under a supervisor")
        return self._actor

    def reply(self, value: object = None, *, to: Request[Any] | None = None) -> None:
        """Reply to the request that `expect` returned last, or to another that came. Does not wait.

        AssertionError when that is no request, or has its reply already. Nobody knows of a request
        whether it was asked or told; the reply to one that was told goes nowhere.
        """
        self._settle(to, outcome.Value(value))

    def fail(self, error: Exception, *, to: Request[Any] | None = None) -> None:
        """As `reply`, but the actor crashes with the error, which is what its asker gets.

        Its supervisor then starts it again, or not, as after any crash.
        """
        self._settle(to, outcome.Error(error))

    def _settle(self, to: Request[Any] | None, answer: outcome.Outcome[object]) -> None:
        __tracebackhide__ = True
        request = to if to is not None else self._received[self._taken - 1] if self._taken else None
        for owed in self._owed:
            if owed.request is request and owed.answer is None:
                owed.answer = answer
                self._life.take_back()
                return
        open_ones = ", ".join(summary(owed.request) for owed in self._owed if owed.answer is None)
        raise AssertionError(
            f"{self.name}: {summary(request)} is no request that waits for a reply; "
            f"those are: {open_ones or 'none'}"
        )


@define(eq=False)
class _Owed:
    request: Request[Any]
    answer: outcome.Outcome[object] | None = None


@define(eq=False)
class _ProbeActor(Actor[Any]):
    """Stashes each request until its reply is there. Those that come back are in front, in their order."""

    probe: Probe
    context: Context[Any] = field(init=False)
    _coming_back: list[_Owed] = field(init=False)

    async def on_start(self, context: Context[Any]) -> None:
        self.context = context
        self.probe._actor = self
        self.take_back()

    def take_back(self) -> None:
        """Look at every request again: a reply is there, or a restart has put them back anyway."""
        self._coming_back = list(self.probe._owed)
        self.context.unstash_all()

    async def handle(self, message: object) -> object:
        if self._coming_back:
            return self._answer(self._coming_back.pop(0))
        self.probe._put(message)
        if not isinstance(message, Request):
            return None
        owed = _Owed(message)
        self.probe._owed.append(owed)
        return self._answer(owed)

    def _answer(self, owed: _Owed) -> object:
        if owed.answer is None:
            self.context.stash()
            return None
        self.probe._owed.remove(owed)
        return owed.answer.unwrap()


@asynccontextmanager
async def open_probe(name: str = "probe") -> AsyncIterator[Probe]:
    """A probe with a supervisor of its own, which restarts it at once however often it fails."""
    probe = Probe(name)
    forever, at_once = Intensity(restarts=1_000_000), Backoff(first_seconds=0.0, cap_seconds=0.0)
    async with Supervisor(f"{name}'s supervisor", intensity=forever, backoff=at_once) as supervisor:
        await supervisor.start_child(probe.spec())
        yield probe
