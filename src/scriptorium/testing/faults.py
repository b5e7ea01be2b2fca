"""Faults on the way of messages to an actor: lost, doubled, late, or the crash of whoever handles them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from random import Random
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack, final

from attrs import define, field, frozen

from scriptorium.runtime import Crash, Delay, Ref, Verdict, summary
from scriptorium.testing.matching import matches
from scriptorium.testing.virtual import run_random


class InjectedFault(Exception):
    """What an actor crashes with when a fault names no other error."""


class FaultKind(Enum):
    """What was done to a message."""

    DROP = "dropped"
    DUPLICATE = "duplicated"
    DELAY = "delayed"
    CRASH = "crashed"


@frozen
class Injected:
    """One fault that struck: the actor's name, what was done, and the message it was done to."""

    actor: str
    kind: FaultKind
    message: object

    def __str__(self) -> str:
        return f"{self.kind.value} on its way to {self.actor}: {summary(self.message)}"


@frozen
class FaultStatistics:
    """``seen`` messages were on their way to the actors that have faults; so many of them were struck."""

    seen: int
    dropped: int
    duplicated: int
    delayed: int
    crashed: int


class When(TypedDict, total=False):
    """Which of the messages that a rule is about it strikes; without any of these, all.

    ``numbers``: those, counted from 1. ``probability``: each with that one, from 0 to 1. ``at_most``: no
    more than so many. A message is struck when all that is given says so.
    """

    numbers: Collection[int]
    probability: float
    at_most: int


@final
class Faults:
    """Faults for messages to chosen actors, until the end of the ``with`` block.

    Each of `drop`, `duplicate`, `delay` and `crash` adds a rule for one actor: ``what`` it is about (a
    type, a predicate or a value, as for `Inbox.expect`) and `When` it strikes. A message is struck by the
    first rule that would. The faults happen on the way into the mailbox, by `Ref.intercept`; an
    interceptor that the actor had before is replaced.

    ``seed``: the same seed, rules and messages give the same faults. Without one it is drawn from
    `run_random`, which makes it follow from the seed of the run; `seed` tells it.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = run_random("faults").getrandbits(32) if seed is None else seed
        self._rules: dict[Ref[Any], list[_Rule]] = {}
        self._seen = 0
        self._injected: list[Injected] = []

    # ---- rules

    def drop(self, ref: Ref[Any], what: object = object, **when: Unpack[When]) -> None:
        """The message becomes a dead letter; whoever asked gets `MessageDropped`."""
        self._add(ref, FaultKind.DROP, what, lambda _: Verdict.DROP, when)

    def duplicate(self, ref: Ref[Any], what: object = object, **when: Unpack[When]) -> None:
        """The message is handled twice."""
        self._add(ref, FaultKind.DUPLICATE, what, lambda _: Verdict.DUPLICATE, when)

    def delay(self, ref: Ref[Any], what: object = object, *, seconds: float, **when: Unpack[When]) -> None:
        """The message comes so many seconds later, and others overtake it."""
        late = Delay(seconds)
        self._add(ref, FaultKind.DELAY, what, lambda _: late, when)

    def crash(
        self,
        ref: Ref[Any],
        what: object = object,
        *,
        error: Callable[[], Exception] | None = None,
        **when: Unpack[When],
    ) -> None:
        """Handling the message raises what ``error`` makes, or `InjectedFault`: a crash of the actor."""

        def verdict(message: object) -> Crash:
            return Crash(InjectedFault(f"injected into {summary(message)}") if error is None else error())

        self._add(ref, FaultKind.CRASH, what, verdict, when)

    def clear(self, ref: Ref[Any] | None = None) -> None:
        """No more faults for this actor, or for any. What is delayed already stays so."""
        for of in [ref] if ref is not None else list(self._rules):
            if self._rules.pop(of, None) is not None:
                of.intercept(None)

    # ---- what came of them

    @property
    def injected(self) -> tuple[Injected, ...]:
        """The faults that struck, oldest first."""
        return tuple(self._injected)

    def statistics(self) -> FaultStatistics:
        """The counts so far."""
        counts = {kind: sum(one.kind is kind for one in self._injected) for kind in FaultKind}
        return FaultStatistics(self._seen, **{kind.value: count for kind, count in counts.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.clear()

    # ---- one message

    def _add(
        self,
        ref: Ref[Any],
        kind: FaultKind,
        what: object,
        verdict: Callable[[object], Verdict | Delay | Crash],
        when: When,
    ) -> None:
        probability = when.get("probability", 1.0)
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"a probability is from 0 to 1, not {probability:g}")
        rules = self._rules.get(ref)
        if rules is None:
            rules = self._rules[ref] = []
            ref.intercept(lambda message: self._judge(ref.name, rules, message))
        # A source for each rule: another rule, or a message that only that one is about, changes nothing.
        draws = Random(f"{self.seed}/{ref.name}/{len(rules)}")  # noqa: S311 - repeatable is what it is for
        rules.append(_Rule(kind, what, verdict, draws, probability, when.get("numbers"), when.get("at_most")))

    def _judge(self, actor: str, rules: list[_Rule], message: object) -> Verdict | Delay | Crash:
        self._seen += 1
        striking = [rule for rule in rules if rule.would_strike(message)]
        if not striking:
            return Verdict.PASS
        rule = striking[0]
        rule.struck += 1
        self._injected.append(Injected(actor, rule.kind, message))
        return rule.verdict(message)


@define(eq=False)
class _Rule:
    kind: FaultKind
    what: object
    verdict: Callable[[object], Verdict | Delay | Crash]
    draws: Random
    probability: float
    numbers: Collection[int] | None
    at_most: int | None
    seen: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    def would_strike(self, message: object) -> bool:
        """Counts and draws for every message it is about, whether another rule strikes it or not."""
        if not matches(self.what, message):
            return False
        self.seen += 1
        drawn = self.draws.random() < self.probability
        chosen = self.numbers is None or self.seen in self.numbers
        return drawn and chosen and (self.at_most is None or self.struck < self.at_most)
