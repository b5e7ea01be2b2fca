"""The ticket that has a red base branch mended: what it says, and that there is one. In memory."""

from __future__ import annotations

import pytest
from attrs import evolve

from scriptorium.plan._audit_tree import _fields
from scriptorium.plan.drafts import DraftsRefused, validate_drafts
from scriptorium.plan.queue_entry import QueueEntry, render_active
from scriptorium.plan.recovery import is_recovery, is_wanted_anyway, recovery_slug, recovery_tickets
from scriptorium.plan.snapshot import Numbers
from scriptorium.plan.ticket import Priority, Ticket
from scriptorium.plan.transitions import (
    AssignTicket,
    CreateRecoveryTicket,
    ParkTicket,
    StartLanding,
    UnparkTicket,
)

from .plans import CORE, OID_A, OID_B, REOPENED, draft_text, red_base, ticket_text
from .test_transitions import BRANCH, ENTRY, ONE, STARTED, TWO, WORKTREE, plan, refused, said

NAME = "0002-recover-base-aaaaaaaaaaaa.md"
RECOVERY = red_base().ticket()
STARTED_RECOVERY = RECOVERY.text.replace("**Priority", f"{STARTED}**Priority")


def test_it_says_what_fails_where_and_since_when() -> None:
    ticket = Ticket.parse(RECOVERY.text)
    assert (ticket.title, ticket.area, ticket.priority) == (
        "Make the base branch main green again",
        "recovery",
        Priority.CRITICAL,
    )
    for word in ("`make test` exits with 2", OID_A, "since 2026-01-02T03:04:05Z"):
        assert word in ticket.goal
    assert "`make test` passes" in ticket.acceptance
    assert "`.scriptorium/logs/base/check-1.log`" in ticket.notes
    assert ticket.notes.rstrip().endswith("> boom")


def test_nothing_in_the_output_is_read_as_a_part_of_the_ticket() -> None:
    hostile = "## Goal\n```\n# Title\n**Area:** docs\n**Depends:** 0001\n\x1b[31m" + "x" * 50_000
    ticket = evolve(red_base(), output_tail=hostile, command="a\n## b", exit_code=None, log="").ticket()
    assert (ticket.area, ticket.depends, ticket.branch) == ("recovery", (), None)
    assert "time limit" in ticket.goal
    assert "\x1b" not in ticket.text
    assert len(ticket.text) < 20_000
    silent = evolve(red_base(), output_tail="", log="").ticket()
    assert silent.notes.strip() == "There was no output."


def test_it_is_opened_under_the_next_id_with_the_commit_in_its_name() -> None:
    numbers = Numbers(ticket=1)
    edits = CreateRecoveryTicket(red_base(), 0).apply(plan(numbers=numbers))
    assert edits.writes == {f"tickets/open/{NAME}": RECOVERY.text}
    assert edits.removes == frozenset()
    assert said(edits) == "scriptorium: create recovery ticket 0002\n\nTicket: 0002\n"
    floor = CreateRecoveryTicket(red_base(), 41).apply(plan(numbers=numbers))
    assert list(floor.writes) == ["tickets/open/0042-recover-base-aaaaaaaaaaaa.md"]


@pytest.mark.parametrize("state", ["open", "in-progress", "stuck", "done"])
def test_there_is_one_at_a_time_and_never_another_for_the_same_commit(state: str) -> None:
    text = STARTED_RECOVERY if state == "in-progress" else RECOVERY.text
    snapshot = plan({f"tickets/{state}/{NAME}": text})
    assert "ticket 0002" in refused(CreateRecoveryTicket(red_base(), 0), snapshot)
    other = CreateRecoveryTicket(red_base(OID_B), 0)
    if state in {"open", "in-progress"}:
        assert "ticket 0002" in refused(other, snapshot)
    else:
        assert list(other.apply(snapshot).writes) == ["tickets/open/0003-recover-base-bbbbbbbbbbbb.md"]


def test_one_that_a_person_made_unreadable_is_still_the_one() -> None:
    snapshot = plan({f"tickets/open/{NAME}": "no ticket"})
    assert list(recovery_tickets(snapshot, *snapshot.folders)) == [(TWO, recovery_slug(OID_A))]
    assert "already" in refused(CreateRecoveryTicket(red_base(OID_B), 0), snapshot)


def test_it_is_assigned_whoever_works_in_an_area_of_that_name() -> None:
    busy = ticket_text(area="recovery", fields=STARTED)
    snapshot = plan({"tickets/in-progress/0001-do.md": busy, f"tickets/open/{NAME}": RECOVERY.text})
    assert AssignTicket(TWO, BRANCH, WORKTREE).apply(snapshot).writes
    ordinary = plan(
        {"tickets/in-progress/0001-do.md": busy, "tickets/open/0002-do.md": ticket_text(area="recovery")}
    )
    assert "same area" in refused(AssignTicket(TWO, BRANCH, WORKTREE), ordinary)


def test_its_landing_takes_the_place_of_one_that_the_red_base_holds_up() -> None:
    entry = QueueEntry(4, TWO, BRANCH, OID_B, "Mended.")
    files = {
        "tickets/in-progress/0001-do.md": ticket_text(fields=STARTED),
        f"tickets/in-progress/{NAME}": STARTED_RECOVERY,
        ENTRY.path: ENTRY.render(),
        entry.path: entry.render(),
        "queue/merge/active.md": render_active(ENTRY),
    }
    edits = StartLanding(TWO).apply(plan(files))
    assert edits.writes == {"queue/merge/active.md": render_active(entry)}
    assert edits.removes == frozenset()  # the other one's entry waits on
    back = plan(files | {"queue/merge/active.md": render_active(entry)})
    assert "0002 is being landed" in refused(StartLanding(ONE), back)


def test_no_manager_makes_one() -> None:
    with pytest.raises(DraftsRefused, match="scriptorium itself"):
        validate_drafts(CORE, {f"{recovery_slug(OID_A)}.md": draft_text().encode()}, plan())
    assert not is_recovery("recover-base")
    assert not is_recovery(f"{recovery_slug(OID_A)}-x")


def test_a_person_who_unparks_it_wants_it() -> None:
    snapshot = plan({f"tickets/open/{NAME}": RECOVERY.text})
    assert not is_wanted_anyway(snapshot.tickets[TWO])
    (text,) = ParkTicket(TWO, REOPENED).apply(snapshot).writes.values()
    stuck = plan({f"tickets/stuck/{NAME}": text})
    assert not is_wanted_anyway(stuck.tickets[TWO])
    (text,) = UnparkTicket(TWO).apply(stuck).writes.values()
    assert is_wanted_anyway(plan({f"tickets/open/{NAME}": text}).tickets[TWO])


def test_an_audit_asks_for_no_area_of_its_name() -> None:
    snapshot = plan({f"tickets/open/{NAME}": RECOVERY.text, "tickets/open/0003-do.md": ticket_text()})
    faults = [
        fault.rule
        for file in snapshot.tickets.values()
        for fault in _fields(snapshot, file, file.ticket, set(snapshot.tickets))
    ]
    assert faults == ["area-gone"]  # of the other one
