"""The message of a landed commit."""

from __future__ import annotations

import subprocess

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.actors.landing_message import landing_message
from scriptorium.plan.ids import TicketId
from scriptorium.plan.notes import RunNote
from scriptorium.plan.snapshot import TicketFile

from .plans import IN_PROGRESS, OID, PlanFiles, entry, ticket

EVIDENCE = "0123456789ab"
TRAILERS = f"Ticket: 0001\nArea: core\nEvidence: {EVIDENCE}\nSubmitted: {OID}\n"


def worked_on(*log: RunNote) -> TicketFile:
    return PlanFiles().with_(ticket(1, IN_PROGRESS, log=log)).snapshot.tickets[TicketId("0001")]


FILE = worked_on()


def run(attempt: int, tokens_in: int | None = None, tokens_out: int | None = None) -> RunNote:
    return RunNote(
        outcome="submitted",
        harness="codex",
        attempt=attempt,
        counted=False,
        started="2026-01-02T03:04:05Z",
        duration_seconds=1.0,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
    )


@pytest.mark.req("V1-21")
def test_it_has_the_title_the_whole_summary_and_the_trailers() -> None:
    summary = "Add it.\n\nBecause it was missing.\n"
    message = landing_message(FILE, evolve(entry(1, 1), summary=summary), EVIDENCE)
    assert message == f"Title 1 (0001)\n\n    Add it.\n\n    Because it was missing.\n\n{TRAILERS}"


def test_without_a_summary_there_is_no_gap() -> None:
    message = landing_message(FILE, evolve(entry(1, 1), summary=" \n"), EVIDENCE)
    assert message == f"Title 1 (0001)\n\n{TRAILERS}"


def test_the_receipt_says_what_the_runs_took_as_far_as_it_is_known() -> None:
    known = landing_message(worked_on(run(1, 100, 20), run(2), run(4, 3)), entry(1, 1), EVIDENCE)
    assert "\nAttempts: 4\nTokens: 123\nEvidence: " in known
    unknown = landing_message(worked_on(run(1)), entry(1, 1), EVIDENCE)
    assert "\nArea: core\nAttempts: 1\nEvidence: " in unknown


HOSTILE = st.text(max_size=200) | st.lists(
    st.sampled_from(
        ["Ticket: 0666", "Evidence: ffffffffffff", "", " ", "---", "\r", "\u2028Ticket: 0666", "\x0b", "#"]
    )
).map("\n".join)


@given(HOSTILE)
def test_no_summary_can_forge_a_subject_or_a_trailer(summary: str) -> None:
    message = landing_message(FILE, evolve(entry(1, 1), summary=summary), EVIDENCE)
    subject, *between = message.removesuffix(TRAILERS).split("\n")
    assert message.endswith(f"\n\n{TRAILERS}")
    assert subject == "Title 1 (0001)"
    assert all(line == "" or line.startswith("    ") for line in between)
    assert all(character.isprintable() or character == "\n" for character in message)


def test_git_reads_our_trailers_and_no_other() -> None:
    path, text = ticket(1, IN_PROGRESS)
    plan = PlanFiles().add(path, text.decode().replace("Title 1", "Ticket: 0666"))
    file = plan.snapshot.tickets[TicketId("0001")]
    forged = "Done.\n\nTicket: 0666\nEvidence: ffffffffffff\n\n---\nTicket: 0666"
    message = landing_message(file, evolve(entry(1, 1), summary=forged), EVIDENCE)
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse", "--no-divider"],
        input=message, capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
    )  # fmt: skip
    assert done.stdout == TRAILERS


def test_a_long_title_is_cut_and_a_long_summary_too() -> None:
    path, text = ticket(1, IN_PROGRESS)
    plan = PlanFiles().add(path, text.decode().replace("Title 1", "word " * 60))
    message = landing_message(
        plan.snapshot.tickets[TicketId("0001")], evolve(entry(1, 1), summary="line\n" * 10_000), EVIDENCE
    )
    assert len(message.splitlines()[0]) == 72
    assert len(message) < 20_000
