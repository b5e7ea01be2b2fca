"""What is written into a ticket about its runs."""

from __future__ import annotations

import pytest
from attrs import evolve

from scriptorium.actors.attempts import Ending
from scriptorium.actors.run_notes import (
    attempts_used_up,
    checks_failed,
    conflicted,
    infrastructure_failed,
    nothing_to_land,
    run_note,
    scriptorium_failed,
)
from scriptorium.actors.world import AgentJob, Role
from scriptorium.code.evidence import Result, Verdict
from scriptorium.code.merge import Conflicted
from scriptorium.harness.events import Usage
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind, ProcessOutcome
from scriptorium.plan.notes import ReopenReason, RunNote, TimeoutKind

from .plans import OID, PlanFiles, ticket
from .stage import Stage

OUTCOME = AgentOutcome(
    ProcessOutcome(OutcomeKind.HARD_TIMEOUT, signal=15, duration_seconds=12.34567),
    usage=Usage(10, 20),
    failure="rate\nlimit",
)


def note_of(stage: Stage, outcome: AgentOutcome, ending: Ending) -> RunNote:
    stage.raise_curtain()
    log = stage.project.logs_dir / "0001" / "3.jsonl"
    job = AgentJob(Role.CODING, "run", "prompt", stage.root, log, 3)
    return run_note(
        stage.world,
        job,
        outcome,
        ending,
        started="2026-01-02T03:04:05Z",
        used=outcome.usage,
        unsubmitted=("a", "b"),
    )


@pytest.mark.req("CA-10")
def test_a_run_is_summed_up_and_can_be_read_back(stage: Stage) -> None:
    note = note_of(stage, OUTCOME, Ending.AGENT_FAULT)
    assert (note.harness, note.model, note.signal, note.attempt) == ("function", None, 15, 3)
    assert (note.timeout, note.duration_seconds) == (TimeoutKind.HARD, 12.346)
    assert (note.tokens_in, note.tokens_out) == (10, 20)
    assert note.log == ".scriptorium/logs/0001/3.jsonl"
    assert note.detail == "reached its time limit and was stopped: rate limit"
    assert (note.counted, note.unsubmitted) == (True, ("a", "b"))
    (parsed,) = PlanFiles().with_(ticket(1, log=(note,))).snapshot.tickets.values()
    assert parsed.ticket.runs == (note.numbered(1),)


def test_the_last_message_says_more_than_the_exit_code(stage: Stage) -> None:
    said = evolve(OUTCOME, last_message="I am lost.")
    assert note_of(stage, said, Ending.NO_SUBMISSION).detail == "I am lost."
    assert note_of(stage, OUTCOME, Ending.SUBMITTED).detail == ""
    assert not note_of(stage, OUTCOME, Ending.SUBMITTED).counted
    assert not note_of(stage, OUTCOME, Ending.STOPPED).counted


@pytest.mark.req("V1-26")
def test_why_a_ticket_came_back() -> None:
    red = Verdict(OID, "key", Result.RED, command="make test", exit_code=2, output_tail="boom", log="x.jsonl")
    note = checks_failed(red)
    assert (note.reason, note.command, note.exit_code) == (ReopenReason.CHECKS_FAILED, "make test", 2)
    assert (note.log, note.output_tail) == ("x.jsonl", "boom")
    assert "(exit code 2)" in note.detail
    assert "killed at its time limit" in checks_failed(evolve(red, exit_code=None)).detail
    conflict = conflicted(Conflicted(("a", "b"), "<<<<"), "main")
    assert (conflict.reason, conflict.files) == (ReopenReason.CONFLICT, ("a", "b"))
    assert "main in a, b" in conflict.detail
    assert nothing_to_land("main").reason is ReopenReason.NOTHING_TO_LAND
    assert "3 attempts" in attempts_used_up(3, OUTCOME).detail
    assert "5 times in a row" in infrastructure_failed(5, OUTCOME).detail
    assert scriptorium_failed(5, "while landing it", "OSError()").detail.endswith(
        "while landing it: OSError()"
    )
    assert scriptorium_failed(5, "there").detail.endswith("its log says why")
