"""Which pins go: a pin that landed a week after its ticket was done, any other after a month, else none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.code.retention import (
    LANDED_KEPT_SECONDS,
    OTHERS_KEPT_SECONDS,
    Pin,
    Plans,
    decide_retention,
)
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.past import States

ONE = TicketId("0001")
COMMIT = Oid("a" * 40)
NOW = 1_800_000_000.0
OPEN, IN_PROGRESS, DONE, STUCK = (frozenset({state}) for state in TicketState)
TWICE = OPEN | DONE
GONE: frozenset[TicketState] = frozenset()
LANDED, OTHER = True, False


def pin(age_seconds: float, ticket: TicketId = ONE) -> Pin:
    return Pin(f"refs/scriptorium/work/{ticket}/1", ticket, COMMIT, NOW - age_seconds)


def states(of: frozenset[TicketState] | None) -> States | None:
    return None if of is None else ({ONE: of} if of else {})


def goes(
    *,
    contained: bool,
    now: frozenset[TicketState] = DONE,
    before: frozenset[TicketState] | None = DONE,
    age_seconds: float = OTHERS_KEPT_SECONDS,
    highest: int = 9,
) -> bool:
    """Whether a pin goes whose ticket was `before` when its span began; the other span tells otherwise."""
    mine, other = states(before), states(OPEN)
    week, month = (mine, other) if contained and now == DONE else (other, mine)
    plans = Plans(states(now) or {}, week, month, highest)
    return bool(decide_retention([pin(age_seconds)], plans, {COMMIT} if contained else (), NOW))


@pytest.mark.req("V1-19")
@pytest.mark.parametrize("contained", [LANDED, OTHER])
def test_a_pin_of_a_ticket_that_has_been_done_for_its_span_goes(contained: bool) -> None:
    assert goes(contained=contained)


@pytest.mark.parametrize("contained", [LANDED, OTHER])
@pytest.mark.parametrize("before", [None, OPEN, IN_PROGRESS, STUCK, TWICE, GONE])
def test_a_ticket_that_was_done_later_keeps_its_pins(
    contained: bool, before: frozenset[TicketState] | None
) -> None:
    assert not goes(contained=contained, before=before)


@pytest.mark.parametrize("contained", [LANDED, OTHER])
@pytest.mark.parametrize("now", [OPEN, IN_PROGRESS, STUCK, TWICE])
def test_a_ticket_that_is_not_done_keeps_its_pins_whatever_their_age(
    contained: bool, now: frozenset[TicketState]
) -> None:
    assert not any(goes(contained=contained, now=now, before=before) for before in (now, DONE, GONE))


@pytest.mark.parametrize(
    ("contained", "age_seconds", "expected"),
    [
        (LANDED, LANDED_KEPT_SECONDS, True),
        (LANDED, LANDED_KEPT_SECONDS - 1, False),
        (OTHER, OTHERS_KEPT_SECONDS, True),
        (OTHER, OTHERS_KEPT_SECONDS - 1, False),
    ],
)
def test_a_pin_that_is_younger_than_its_span_stays(
    contained: bool, age_seconds: float, expected: bool
) -> None:
    assert goes(contained=contained, age_seconds=age_seconds) is expected


@pytest.mark.parametrize("contained", [LANDED, OTHER])
def test_what_a_vanished_ticket_left_goes_after_a_month(contained: bool) -> None:
    assert goes(contained=contained, now=GONE, before=GONE)
    assert not goes(contained=contained, now=GONE, before=DONE)
    assert not goes(contained=contained, now=GONE, before=STUCK)


def test_the_pin_that_may_be_all_that_tells_of_an_id_stays() -> None:
    assert not goes(contained=OTHER, now=GONE, before=GONE, highest=1)
    assert goes(contained=OTHER, now=GONE, before=GONE, highest=2)


def test_a_base_that_a_person_reset_makes_it_a_pin_like_any_other() -> None:
    plans = Plans({ONE: DONE}, {ONE: DONE}, {ONE: OPEN}, 1)
    old = pin(OTHERS_KEPT_SECONDS)
    assert decide_retention([old], plans, {COMMIT}, NOW) == (old,)
    assert decide_retention([old], plans, (), NOW) == ()


some_states = st.sampled_from([OPEN, IN_PROGRESS, DONE, STUCK, TWICE, GONE])


@given(
    now=some_states, week=some_states, month=some_states, contained=st.booleans(),
    age_seconds=st.floats(min_value=-1e9, max_value=1e9),
)  # fmt: skip
def test_only_what_is_done_or_vanished_and_was_so_ever_goes(
    now: frozenset[TicketState],
    week: frozenset[TicketState],
    month: frozenset[TicketState],
    contained: bool,
    age_seconds: float,
) -> None:
    plans = Plans(states(now) or {}, states(week), states(month), 9)
    if decide_retention([pin(age_seconds)], plans, {COMMIT} if contained else (), NOW):
        assert now in (DONE, GONE)
        assert now in (week, month)
        assert age_seconds >= LANDED_KEPT_SECONDS
        assert age_seconds >= OTHERS_KEPT_SECONDS or (contained and now == week == DONE)
