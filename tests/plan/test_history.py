"""Numbers that were given out are known from the history, whatever a person has made of it since."""

from __future__ import annotations

import pytest

from scriptorium.plan.history import History
from scriptorium.plan.ids import MAX_COUNTED_NUMBER, counted
from scriptorium.plan.layout import AUTHOR_EMAIL, AUTHOR_NAME
from scriptorium.plan.message import Kind, Message, Trailer
from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.transitions import ParkTicket

from .plans import CORE, Plan, draft_text, ticket_text

PARKED = ReopenNote(reason=ReopenReason.AGENT_FAILED)


def highest(plan: Plan) -> int:
    """As the repository knows it, which has followed the history, and as one that reads it from nothing."""
    known = plan.snapshot
    afresh = History(GitObjects(plan.git_dir)).highest(known.commit, Trailer.TICKET)
    assert known.ticket_high == max(afresh, *map(int, known.tickets))
    return afresh


@pytest.mark.req("V1-13")
def test_an_old_commit_of_ours_that_a_person_makes_again_lowers_no_number(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(one=draft_text("One"))
    one = plan.git("rev-parse", PLAN_REF)
    plan.by_hand({"areas/core.md": b"Another.\n"})
    plan.tickets(two=draft_text("Two"), three=draft_text("Three"))
    plan.by_hand(removes=("tickets/open/0001-one.md", "tickets/open/0003-two.md"))
    plan.git("symbolic-ref", "HEAD", PLAN_REF)
    plan.git("reset", "--hard", "--quiet")
    plan.git("cherry-pick", "--strategy-option=theirs", one)
    assert plan.git("log", "-1", "--format=%an", PLAN_REF) == AUTHOR_NAME
    assert plan.git("log", "-1", "--format=%cn", PLAN_REF) == "A Person"
    assert highest(plan) == 3


@pytest.mark.req("V1-13")
def test_the_id_of_a_ticket_that_a_person_made_is_taken_once_we_had_to_do_with_it(plan: Plan) -> None:
    ticket = plan.with_ticket()
    plan.by_hand({"tickets/open/0009-mine.md": ticket_text(area="docs").encode()})
    plan.repository.commit(ParkTicket(type(ticket)("0009"), PARKED))
    assert highest(plan) == 9
    plan.by_hand(removes=("tickets/stuck/0009-mine.md",))
    assert plan.snapshot.ticket_high == 9


@pytest.mark.parametrize("author", [(AUTHOR_NAME, AUTHOR_EMAIL), ("A Person", "person@example.org")])
def test_a_number_that_leaves_none_to_give_does_not_count(plan: Plan, author: tuple[str, str]) -> None:
    plan.with_ticket()
    planted = Message(Kind.CREATE_TICKETS, trailers=((Trailer.TICKET, "999999999"), (Trailer.TICKET, "0004")))
    plan.by_hand(
        {"tickets/open/999999999-last.md": ticket_text(area="docs").encode(), "tickets/stuck/999999999": b""},
        message=planted.render(),
        author=author,
    )
    assert plan.snapshot.ticket_high == (4 if author[0] == AUTHOR_NAME else 1)
    assert "999999999" in plan.snapshot.tickets


def test_what_counts() -> None:
    assert [counted(number) for number in (0, 7, MAX_COUNTED_NUMBER, MAX_COUNTED_NUMBER + 1)] == [
        0, 7, MAX_COUNTED_NUMBER, 0,
    ]  # fmt: skip
