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
from scriptorium.code.base_changes import BaseChange
from scriptorium.code.conflicts import ConflictedFile
from scriptorium.code.evidence import Result, Verdict
from scriptorium.code.merge import Conflicted
from scriptorium.harness.events import Usage
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind, ProcessOutcome
from scriptorium.plan.ids import Oid, TicketId
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
    crashed = evolve(red, exit_code=None, ending="was killed by signal 11")
    assert "(was killed by signal 11)" in checks_failed(crashed).detail
    assert nothing_to_land("main").reason is ReopenReason.NOTHING_TO_LAND
    assert "3 attempts" in attempts_used_up(3, OUTCOME).detail
    assert "5 times in a row" in infrastructure_failed(5, OUTCOME).detail
    assert scriptorium_failed(5, "while landing it", "OSError()").detail.endswith(
        "while landing it: OSError()"
    )
    assert scriptorium_failed(5, "there").detail.endswith("its log says why")


@pytest.mark.req("V1-26")
def test_a_conflict_is_told_with_the_files_the_other_tickets_and_the_hunks() -> None:
    three, seven = (BaseChange(Oid(f"{n}" * 40), TicketId(f"000{n}")) for n in (3, 7))
    by_hand = BaseChange(Oid("e" * 40), None)
    files = (
        ConflictedFile("a", (seven, three), "<<<\n"),
        ConflictedFile("b\n> c\x1b", (by_hand, three), "binary\n"),
        ConflictedFile("d"),
    )
    note = conflicted(Conflicted(files), "main")
    assert (note.reason, note.tickets) == (ReopenReason.CONFLICT, ("0007", "0003"))
    assert note.files == ("a", "b > c", "d")
    assert note.detail == (
        "the submission conflicts with what has landed on main of tickets 0007 and 0003 in a, b\\n> c\\x1b, d"
    )
    assert note.conflicts.splitlines() == [
        "--- a (changed on main by ticket 0007 in 7777777777, ticket 0003 in 3333333333)", "<<<", "",
        "--- b\\n> c\\x1b (changed on main by commit eeeeeeeeee, ticket 0003 in 3333333333)", "binary", "",
        "--- d", "[… left out: see the file …]",
    ]  # fmt: skip
    (parsed,) = PlanFiles().with_(ticket(1, log=(note,))).snapshot.tickets.values()
    assert parsed.ticket.reopens == (note.numbered(1),)


def test_a_submission_that_cannot_be_merged_at_all_is_told_why() -> None:
    note = conflicted(Conflicted((), "it shares no history"), "main")
    assert note.detail == "the submission cannot be merged with main: it shares no history"
    assert (note.files, note.tickets, note.conflicts) == ((), (), "")


def test_a_conflict_of_a_thousand_files_stays_a_page() -> None:
    files = tuple(ConflictedFile(f"{n}" + "x" * 1_000, (), "y\n") for n in range(1_000))
    note = conflicted(Conflicted(files), "main")
    assert len(note.detail) < 4_000
    assert note.detail.endswith(" and 990 more")
    assert len(note.conflicts) <= 16_000
