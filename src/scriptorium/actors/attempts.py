"""What follows when an attempt ends: pure, from the contract *Tries*."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from attrs import frozen

from scriptorium.config import Config
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind
from scriptorium.plan.spent import Spent

INFRASTRUCTURE_FAULTS_IN_A_ROW = 5
INFRASTRUCTURE_WAIT_SECONDS = 1.0
INFRASTRUCTURE_WAIT_CAP_SECONDS = 60.0


class Ending(Enum):
    """Whose doing the end of an attempt was."""

    SUBMITTED = "submitted"
    STOPPED = "stopped"
    """scriptorium stopped it; the attempt does not count and is continued."""
    NO_SUBMISSION = "ended without a submission"
    AGENT_FAULT = "failed"
    INFRASTRUCTURE_FAULT = "could not start"
    PROVIDER_FAULT = "was let down by the provider of its model"

    @property
    def counts(self) -> bool:
        """Whether the attempt uses up one of `maxAttempts`."""
        return self in {Ending.NO_SUBMISSION, Ending.AGENT_FAULT}


@frozen
class Finish:
    """Nothing more to do for this Agent: the ticket is queued, or scriptorium is stopping."""


@frozen
class Retry:
    """Start the agent again after so many seconds."""

    wait_seconds: float


@frozen
class AwaitProvider:
    """Start the agent again when the provider of its model lets it."""


@frozen
class GiveUp:
    """Hand the ticket back: its attempts are used up."""

    counted: int


@frozen
class Park:
    """The machine, not the agent, fails every time: a person has to look."""

    faults: int


NextStep: TypeAlias = Finish | Retry | AwaitProvider | GiveUp | Park


def classify(outcome: AgentOutcome, *, submitted: bool) -> Ending:
    """Whose doing the end of this attempt was. An accepted submission outweighs how the process ended."""
    if submitted:
        return Ending.SUBMITTED
    match outcome.process.kind:
        case OutcomeKind.STOPPED:
            return Ending.STOPPED
        case OutcomeKind.COULD_NOT_START:
            return Ending.INFRASTRUCTURE_FAULT
        case OutcomeKind.SIGNALED | OutcomeKind.HARD_TIMEOUT:
            return Ending.AGENT_FAULT
        case OutcomeKind.EXITED | OutcomeKind.FAILED | OutcomeKind.NO_OUTPUT:
            return _by_itself(outcome)


def _by_itself(outcome: AgentOutcome) -> Ending:
    """Of a run that its provider, or a full disk, can have brought to its end."""
    if outcome.fault is not None:
        return Ending.PROVIDER_FAULT
    if outcome.process.log_error is not None:
        return Ending.INFRASTRUCTURE_FAULT
    orderly = outcome.process.kind is OutcomeKind.EXITED and not outcome.failure
    return Ending.NO_SUBMISSION if orderly else Ending.AGENT_FAULT


def next_step(ending: Ending, *, counted: int, max_attempts: int, faults_in_a_row: int) -> NextStep:
    """What to do after an attempt.

    `counted` is how many attempts of this assignment count by now, this one included;
    `faults_in_a_row` how many infrastructure faults came without another ending between, likewise.
    """
    match ending:
        case Ending.SUBMITTED | Ending.STOPPED:
            return Finish()
        case Ending.PROVIDER_FAULT:
            return AwaitProvider()
        case Ending.INFRASTRUCTURE_FAULT:
            if faults_in_a_row >= INFRASTRUCTURE_FAULTS_IN_A_ROW:
                return Park(faults_in_a_row)
            wait = INFRASTRUCTURE_WAIT_SECONDS * 2 ** (faults_in_a_row - 1)
            return Retry(min(wait, INFRASTRUCTURE_WAIT_CAP_SECONDS))
        case Ending.NO_SUBMISSION | Ending.AGENT_FAULT:
            return GiveUp(counted) if counted >= max_attempts else Retry(0.0)


def must_park(reopens_so_far: int, max_reopens: int) -> bool:
    """Whether the next reopen parks the ticket instead (*Tries*: when `maxReopens` have happened)."""
    return reopens_so_far >= max_reopens


def lifetime_used_up(spent: Spent, config: Config) -> str | None:
    """Why a ticket may have no further run, for a person; None while it may.

    The caps hold over reopens and restarts, as they are counted from the notes in the ticket; a person who
    unparks it gives it all of them anew.
    """
    if spent.runs >= config.max_runs:
        return f"it has had {spent.runs} runs of an agent (tickets.maxRuns)"
    if spent.seconds >= config.max_time_seconds:
        return f"its agents have worked for {spent.seconds / 3600:.1f} hours (tickets.maxTime)"
    if spent.tokens >= config.max_tokens:
        return f"its agents have used {spent.tokens} tokens (tickets.maxTokens)"
    return None
