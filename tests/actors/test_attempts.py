"""What follows when an attempt ends (*Tries*)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.actors.attempts import (
    Ending,
    Finish,
    GiveUp,
    NextStep,
    Park,
    Retry,
    classify,
    must_park,
    next_step,
)
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind, ProcessOutcome


@pytest.mark.parametrize("kind", OutcomeKind)
def test_an_accepted_submission_outweighs_how_the_process_ended(kind: OutcomeKind) -> None:
    outcome = AgentOutcome(ProcessOutcome(kind), failure="rate limit")
    assert classify(outcome, submitted=True) is Ending.SUBMITTED


@pytest.mark.req("CA-07")
@pytest.mark.parametrize(
    ("kind", "failure", "expected"),
    [
        (OutcomeKind.EXITED, None, Ending.NO_SUBMISSION),
        (OutcomeKind.EXITED, "the model gave up", Ending.AGENT_FAULT),
        (OutcomeKind.FAILED, None, Ending.AGENT_FAULT),
        (OutcomeKind.SIGNALED, None, Ending.AGENT_FAULT),
        (OutcomeKind.NO_OUTPUT, None, Ending.AGENT_FAULT),
        (OutcomeKind.HARD_TIMEOUT, None, Ending.AGENT_FAULT),
        (OutcomeKind.STOPPED, None, Ending.STOPPED),
        (OutcomeKind.COULD_NOT_START, None, Ending.INFRASTRUCTURE_FAULT),
    ],
)
def test_whose_doing_an_end_was(kind: OutcomeKind, failure: str | None, expected: Ending) -> None:
    assert classify(AgentOutcome(ProcessOutcome(kind), failure=failure), submitted=False) is expected


def test_what_counts_is_what_the_agent_did_itself() -> None:
    assert {ending for ending in Ending if ending.counts} == {Ending.NO_SUBMISSION, Ending.AGENT_FAULT}


@pytest.mark.req("CA-07")
@pytest.mark.parametrize("ending", [Ending.NO_SUBMISSION, Ending.AGENT_FAULT])
@pytest.mark.parametrize(
    ("counted", "step"), [(1, Retry(0.0)), (2, Retry(0.0)), (3, GiveUp(3)), (4, GiveUp(4))]
)
def test_the_agents_faults_are_retried_at_once_as_often_as_the_config_says(
    ending: Ending, counted: int, step: NextStep
) -> None:
    assert next_step(ending, counted=counted, max_attempts=3, faults_in_a_row=0) == step


def test_infrastructure_faults_wait_longer_and_longer_and_then_need_a_person() -> None:
    steps = [
        next_step(Ending.INFRASTRUCTURE_FAULT, counted=0, max_attempts=1, faults_in_a_row=faults)
        for faults in range(1, 7)
    ]
    assert steps == [Retry(1.0), Retry(2.0), Retry(4.0), Retry(8.0), Park(5), Park(6)]


@pytest.mark.parametrize("ending", [Ending.SUBMITTED, Ending.STOPPED])
def test_what_was_submitted_or_stopped_is_over(ending: Ending) -> None:
    assert next_step(ending, counted=99, max_attempts=1, faults_in_a_row=99) == Finish()


@given(st.sampled_from(Ending), st.integers(0, 50), st.integers(1, 20), st.integers(1, 50))
def test_an_agent_never_runs_more_often_than_it_may(
    ending: Ending, counted: int, most: int, faults: int
) -> None:
    step = next_step(ending, counted=counted, max_attempts=most, faults_in_a_row=faults)
    if isinstance(step, Retry):
        assert 0 <= step.wait_seconds <= 60
        assert not ending.counts or counted < most
    if isinstance(step, GiveUp):
        assert ending.counts


@pytest.mark.req("V1-26")
@pytest.mark.parametrize(
    ("so_far", "most", "parks"), [(0, 3, False), (2, 3, False), (3, 3, True), (0, 0, True)]
)
def test_the_reopen_after_the_last_parks(so_far: int, most: int, parks: bool) -> None:
    assert must_park(so_far, most) is parks
