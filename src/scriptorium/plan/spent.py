"""What the agents of a ticket, or of all, have used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from scriptorium.plan.notes import RunNote


@frozen
class Spent:
    """Runs of agents, the seconds and the tokens that they took, and US dollars as far as they were told."""

    runs: int = 0
    seconds: float = 0.0
    tokens: int = 0
    cost_usd: float = 0.0

    @classmethod
    def of(cls, runs: Iterable[RunNote]) -> Spent:
        """Of some runs together."""
        found = tuple(runs)
        return cls(
            len(found),
            sum(run.duration_seconds for run in found),
            sum((run.tokens_in or 0) + (run.tokens_out or 0) for run in found),
            sum(run.cost_usd or 0.0 for run in found),
        )
