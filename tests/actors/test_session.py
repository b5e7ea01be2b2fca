"""Which session of its CLI an agent goes on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptorium.actors.attempt import Session
from scriptorium.actors.attempts import Ending
from scriptorium.actors.world import AgentJob, Role
from scriptorium.harness.events import Usage
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind, ProcessOutcome
from scriptorium.plan.notes import RunNote
from scriptorium.plan.ticket import Ticket

TICKET = Ticket.parse(
    "# One\n\n**Area:** core\n\n## Goal\n\nx\n\n## Acceptance Criteria\n\ny\n\n## Notes\n\nz\n"
)
STARTED = '{"type": "thread.started", "thread_id": "thread-1"}\n'


def ran(ticket: Ticket, attempt: int, outcome: str, tokens: int | None = None) -> Ticket:
    note = RunNote(
        outcome=outcome, harness="codex", attempt=attempt, counted=False, started="2026-01-01T00:00:00Z",
        duration_seconds=1.0, tokens_in=tokens, tokens_out=tokens,
    )  # fmt: skip
    return ticket.with_run(note)


def found(folder: Path, ticket: Ticket, number: int, log: str = STARTED) -> Session:
    (folder / f"{number - 1}.jsonl").write_text(log)
    session = Session("codex")
    session.find(ticket, number, folder / f"{number}.jsonl")
    return session


@pytest.mark.req("CA-07")
def test_a_run_that_a_kill_cut_short_is_resumed_by_its_log(tmp_path: Path) -> None:
    assert found(tmp_path, TICKET, 2).name == "thread-1"
    assert found(tmp_path, ran(TICKET, 1, "failed"), 3).name == "thread-1"


@pytest.mark.req("CA-07")
def test_a_run_that_was_stopped_is_resumed_and_its_tokens_are_not_counted_twice(tmp_path: Path) -> None:
    session = found(tmp_path, ran(TICKET, 1, "stopped", tokens=100), 2)
    assert session.name == "thread-1"
    job = AgentJob(Role.CODING, "r", "p", tmp_path, tmp_path / "2.jsonl", 2, resume="thread-1")
    over = AgentOutcome(ProcessOutcome(OutcomeKind.EXITED), session="thread-1", usage=Usage(150, 130))
    assert session.follow(job, over, Ending.SUBMITTED) == Usage(50, 30)


@pytest.mark.req("CA-07")
def test_a_run_that_the_provider_let_down_is_resumed_and_all_of_its_session_is_known(tmp_path: Path) -> None:
    """Two runs in one session, after one in another; then one that does not say what it used."""
    for attempt, thread in ((1, "thread-0"), (2, "thread-1")):
        (tmp_path / f"{attempt}.jsonl").write_text(STARTED.replace("thread-1", thread))
    ticket = ran(ran(TICKET, 1, "failed", tokens=1000), 2, "failed", tokens=100)
    session = found(tmp_path, ran(ticket, 3, Ending.PROVIDER_FAULT.value, tokens=20), 4)
    assert session.name == "thread-1"
    job = AgentJob(Role.CODING, "r", "p", tmp_path, tmp_path / "4.jsonl", 4, resume="thread-1")
    silent = AgentOutcome(ProcessOutcome(OutcomeKind.SIGNALED), session="thread-1")
    assert session.follow(job, silent, Ending.AGENT_FAULT) == Usage()
    over = AgentOutcome(ProcessOutcome(OutcomeKind.EXITED), session="thread-1", usage=Usage(150, 130))
    assert session.follow(job, over, Ending.SUBMITTED) == Usage(30, 10)


def test_a_run_that_ended_by_itself_is_not(tmp_path: Path) -> None:
    assert found(tmp_path, ran(TICKET, 1, "failed"), 2).name is None
    assert found(tmp_path, TICKET, 1).name is None


@pytest.mark.parametrize(
    "log", ["", "half", STARTED.rstrip(), STARTED.replace("thread-1", "--evil"), "[]\n{}\n"]
)
def test_a_log_that_names_no_session_leads_to_a_new_one(tmp_path: Path, log: str) -> None:
    assert found(tmp_path, TICKET, 2, log).name is None


def test_a_log_that_is_not_there_or_is_a_link_leads_to_a_new_one(tmp_path: Path) -> None:
    session = Session("codex")
    session.find(TICKET, 2, tmp_path / "2.jsonl")
    (tmp_path / "elsewhere").write_text(STARTED)
    (tmp_path / "1.jsonl").symlink_to(tmp_path / "elsewhere")
    session.find(TICKET, 2, tmp_path / "2.jsonl")
    assert session.name is None


def test_what_could_not_start_leaves_the_session_as_it_was(tmp_path: Path) -> None:
    session = Session("codex", "thread-1")
    job = AgentJob(Role.CODING, "r", "p", tmp_path, tmp_path / "2.jsonl", 2, resume="thread-1")
    session.follow(
        job, AgentOutcome(ProcessOutcome(OutcomeKind.COULD_NOT_START)), Ending.INFRASTRUCTURE_FAULT
    )
    assert session.name == "thread-1"
    session.follow(job, AgentOutcome(ProcessOutcome(OutcomeKind.FAILED)), Ending.AGENT_FAULT)
    assert session.name is None
