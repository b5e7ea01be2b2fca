"""What a plan costs is set by what is done to it, not by what is in it or how long it has been used."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.message import Kind, Message
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.reading import COMMITS_BETWEEN_CLOSING, PlanReader
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    Enqueue,
    RecordRun,
    StartLanding,
    Transition,
)

from .committer import AddLine
from .plans import CORE, OID_A, OID_B, Plan, RawEdit, draft_text, run_note, ticket_text

ONE = TicketId("0001")


def open_packs() -> int:
    """How many pack files this process holds open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            found += link.readlink().name.endswith((".pack", ".pack (deleted)"))
        except FileNotFoundError:  # that of the list itself
            continue
    return found


@pytest.fixture
def no_collector() -> Iterator[None]:
    """pygit2's repositories are closed when they are collected: some time, perhaps much later."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.slow
@pytest.mark.usefixtures("no_collector")
def test_commits_and_readers_hold_no_pack_open_for_ever(plan: Plan) -> None:
    """libgit2 keeps every pack that it has found, and each commit is one: 1,024 files are soon used up."""
    before = open_packs()
    reader = PlanReader(plan.git_dir)
    for number in range(3 * COMMITS_BETWEEN_CLOSING):
        plan.repository.commit(AddLine(str(number)))
        assert reader.read().spec is not None
        if plan.repository.wants_packing:
            plan.repository.roll_up()
    assert open_packs() - before <= COMMITS_BETWEEN_CLOSING


@pytest.mark.req("V1-13")
def test_what_was_committed_here_is_not_read_from_history(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan.areas(CORE)
    plan.tickets(one=draft_text("One"), two=draft_text("Two"))
    plan.assign(ONE)
    assert [entry.number for entry in plan.enqueue(ONE).pending] == [1]

    def commit(_self: GitObjects, oid: Oid) -> NoReturn:
        raise AssertionError(f"{oid} was read")

    monkeypatch.setattr(GitObjects, "commit", commit)
    plan.land(ONE)
    plan.assign(TicketId("0002"))
    assert [entry.number for entry in plan.enqueue(TicketId("0002")).pending] == [2]
    assert plan.snapshot.ticket_high == 2


@pytest.mark.slow
@pytest.mark.req("V1-32")
def test_a_transition_goes_through_no_ticket_that_it_does_not_touch(plan: Plan) -> None:
    """Counted in calls, of Python and of C: the machine may be busy."""
    plan.areas(CORE)
    counts: dict[int, list[int]] = {}
    for high, done in ((1000, 100), (9000, 4000)):
        ids = [TicketId(f"{high + number:04d}") for number in range(4)]
        files = {f"tickets/open/{ticket}-x.md": ticket_text(ticket) for ticket in ids}
        older = (f"tickets/done/{high - 1 - number:04d}-x.md" for number in range(done))
        plan.repository.commit(RawEdit(Message(Kind.CREATE_TICKETS), files | dict.fromkeys(older, "x\n")))
        for ticket in ids:
            counts[done] = [calls(plan, transition) for transition in life(ticket)]
    assert max(more / few for few, more in zip(*counts.values(), strict=True)) < 1.2, counts


def life(ticket: TicketId) -> Iterator[Transition]:
    yield AssignTicket(ticket, f"scriptorium/ticket-{ticket}", "w")
    yield RecordRun(ticket, run_note(counted=False))
    yield Enqueue(ticket, f"scriptorium/ticket-{ticket}", OID_A, "Done.")
    yield StartLanding(ticket)
    yield CompleteTicket(ticket, OID_B)


def calls(plan: Plan, transition: Transition) -> int:
    """How many calls committing it takes."""
    count = 0

    def counting(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(counting)
    try:
        plan.repository.commit(transition)
    finally:
        sys.setprofile(None)
    return count
