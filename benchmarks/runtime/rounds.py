"""How a figure becomes one number: rounds in which subject and peer alternate, and the median of them.

The two of a round run one right after the other, so that what disturbs the machine disturbs both; who is
first changes with each round. A ratio is the median of the rounds' ratios.
"""

import gc
import statistics
from collections.abc import Callable

import attrs
from attrs.validators import ge, gt

Contender = Callable[[], float]
"""Measures once and returns the figure."""


@attrs.frozen
class Plan:
    """How much is measured."""

    rounds: int = attrs.field(validator=ge(1))
    scale: float = attrs.field(validator=gt(0.0))

    def count(self, full: int) -> int:
        """A number of messages or actors at this plan's scale."""
        return max(2, round(full * self.scale))


@attrs.frozen
class Contest:
    """``ratio`` is subject by peer; ``spread`` its smallest and largest of all rounds."""

    subject: float
    peer: float
    ratio: float
    spread: tuple[float, float]


def measure(contender: Contender) -> float:
    gc.collect()
    return contender()


def contest(plan: Plan, subject: Contender, peer: Contender) -> Contest:
    measure(subject), measure(peer)  # to warm up: the first run of a piece of code is a slow one
    pairs = []
    for number in range(plan.rounds):
        if number % 2:
            against = measure(peer)
            pairs.append((measure(subject), against))
        else:
            pairs.append((measure(subject), measure(peer)))
    ratios = [ours / theirs for ours, theirs in pairs]
    return Contest(
        statistics.median(ours for ours, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        statistics.median(ratios),
        (min(ratios), max(ratios)),
    )


def alone(plan: Plan, subject: Contender) -> float:
    """The median of a figure that has no peer."""
    measure(subject)
    return statistics.median(measure(subject) for _ in range(plan.rounds))
