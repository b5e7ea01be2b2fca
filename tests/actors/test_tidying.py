"""Which worktrees are not needed any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptorium.actors.tidying import decide_tidying
from scriptorium.code.worktrees import WorktreeRow
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState

from .plans import DONE, IN_PROGRESS, OPEN, STUCK, PlanFiles, ticket

ONE = TicketId("0001")
ROW = WorktreeRow(Path("/repo/.scriptorium/worktrees/tickets/0001-slug"), ONE, "scriptorium/ticket-0001")


@pytest.mark.req("V1-19")
@pytest.mark.parametrize(("state", "goes"), [(OPEN, True), (IN_PROGRESS, False), (DONE, True), (STUCK, True)])
def test_a_worktree_goes_when_its_ticket_is_finished_reopened_or_stuck(
    state: TicketState, goes: bool
) -> None:
    snapshot = PlanFiles().with_(ticket(1, state)).snapshot
    assert decide_tidying(snapshot, [ROW], ()) == ((ROW,) if goes else ())


@pytest.mark.req("V1-19")
def test_the_worktree_of_a_vanished_ticket_goes() -> None:
    assert decide_tidying(PlanFiles().snapshot, [ROW], ()) == (ROW,)


def test_a_ticket_that_an_agent_holds_keeps_its_worktree_whatever_the_plan_says() -> None:
    assert decide_tidying(PlanFiles().with_(ticket(1, DONE)).snapshot, [ROW], {ONE}) == ()


def test_a_ticket_that_cannot_be_read_or_is_there_twice_keeps_its_worktree() -> None:
    unreadable = PlanFiles().with_(("tickets/in-progress/0001-slug.md", b"?"))
    twice = PlanFiles().with_(ticket(1, DONE), ticket(1, IN_PROGRESS))
    for plan in (unreadable, twice):
        assert decide_tidying(plan.snapshot, [ROW], ()) == ()


def test_what_belongs_to_no_ticket_is_left_alone() -> None:
    base = WorktreeRow(Path("/repo/.scriptorium/worktrees/base"), None, None)
    assert decide_tidying(PlanFiles().snapshot, [base], ()) == ()
