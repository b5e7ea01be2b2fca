"""What the actors say to each other. A message never carries state: the plan branch does."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from scriptorium.actors.attempts import NextStep
from scriptorium.harness.interface import AgentOutcome
from scriptorium.runtime import Request
from scriptorium.server import SubmitAnswer


@frozen
class LookAgain:
    """Something may have changed: read the plan branch and decide afresh. Losing one costs a moment."""


@frozen
class Submit(Request[SubmitAnswer]):
    """An agent's `submit_pr`, credited to the run that its token was issued for."""

    run_id: str
    summary: str


@frozen
class AttemptEnded(Request[NextStep]):
    """The process of one attempt, and every descendant of it, is gone: what follows?

    An Agent asks itself, so that a submission that was sent before the end is handled before it.
    """

    run_id: str
    outcome: AgentOutcome


AgentMessage: TypeAlias = Submit | AttemptEnded
