"""Which entry of the merge queue is next, and how long a base that is not green waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.actors.merging import NextEntry, next_entry, recheck_wait_seconds
from scriptorium.plan.ids import TicketId

from .plans import DONE, IN_PROGRESS, OPEN, PlanFiles, entry, ticket

ONE, TWO = TicketId("0001"), TicketId("0002")
BOTH = PlanFiles().with_(ticket(1, IN_PROGRESS, area="a"), ticket(2, IN_PROGRESS, area="b"))


def test_an_empty_queue_has_no_next() -> None:
    assert next_entry(BOTH.snapshot, ()) is None


@pytest.mark.req("V1-22")
def test_the_oldest_entry_is_next_unless_its_agent_is_still_there() -> None:
    plan = BOTH.queue(entry(1, 2), entry(2, 1)).snapshot
    assert next_entry(plan, ()) == NextEntry(entry(1, 2), started=False)
    assert next_entry(plan, {TWO}) == NextEntry(entry(2, 1), started=False)
    assert next_entry(plan, (), {TWO}) == NextEntry(entry(2, 1), started=False)
    assert next_entry(plan, {TWO}, {ONE}) is None


@pytest.mark.req("V1-22")
def test_the_one_that_was_begun_comes_first_and_alone() -> None:
    plan = BOTH.queue(entry(1, 1), entry(2, 2), active=entry(2, 2)).snapshot
    assert next_entry(plan, {TWO}) == NextEntry(entry(2, 2), started=True)
    assert next_entry(plan, (), {TWO}) is None


@pytest.mark.parametrize(
    "broken", [ticket(1, DONE), ticket(1, OPEN), ("tickets/in-progress/0001-slug.md", b"?"), None]
)
def test_an_entry_without_its_ticket_in_progress_stops_nobody_else(broken: tuple[str, bytes] | None) -> None:
    tickets = [ticket(2, IN_PROGRESS), *([broken] if broken else [])]
    plan = PlanFiles().with_(*tickets).queue(entry(1, 1), entry(2, 2))
    assert next_entry(plan.snapshot, ()) == NextEntry(entry(2, 2), started=False)
    started = plan.queue(active=entry(1, 1)).snapshot
    assert next_entry(started, ()) == NextEntry(entry(2, 2), started=False)


def test_a_red_base_is_looked_at_again_after_one_minute_doubling_to_thirty() -> None:
    minutes = [recheck_wait_seconds(count) / 60 for count in range(1, 9)]
    assert minutes == [1, 2, 4, 8, 16, 30, 30, 30]


@given(st.integers(1, 10**9))
def test_the_wait_has_its_bounds(count: int) -> None:
    assert 60 <= recheck_wait_seconds(count) <= 1800
