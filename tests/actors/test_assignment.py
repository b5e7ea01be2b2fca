"""Which ticket an agent gets next."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptorium.actors.assignment import Assign, Continue, Staffing, decide_assignments, queued_tickets
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import AssignTicket

from .plans import DONE, IN_PROGRESS, OPEN, STUCK, PlanFiles, entry, ticket

MANY = 99


def ids(*numbers: int) -> frozenset[TicketId]:
    return frozenset(TicketId(f"{number:04d}") for number in numbers)


def staffing(
    free: int = MANY, *, held: tuple[int, ...] = (), resting: tuple[int, ...] = (), green: bool = True
) -> Staffing:
    return Staffing(free, ids(*held), ids(*resting), green)


def chosen(plan: PlanFiles, staff: Staffing) -> list[int]:
    """The numbers of the tickets that are to be started; negative for one that is continued."""
    return [
        int(found.ticket.id) * (-1 if isinstance(found, Continue) else 1)
        for found in decide_assignments(plan.snapshot, staff)
    ]


@pytest.mark.req("V1-16")
@pytest.mark.parametrize(
    ("tickets", "expected"),
    [
        pytest.param([ticket(2, area="b"), ticket(1, area="a")], [1, 2], id="the oldest first"),
        pytest.param([ticket(10000, area="b"), ticket(9999, area="a")], [9999, 10000], id="by number"),
        pytest.param(
            [ticket(1, area="a", priority="low"), ticket(2, area="b"),
             ticket(3, area="c", priority="critical"), ticket(4, area="d", priority="high")],
            [3, 4, 2, 1], id="the highest priority first",
        ),
        pytest.param([ticket(1), ticket(2)], [1], id="one at a time in an area"),
        pytest.param([ticket(1), ticket(2, priority="high")], [2], id="the more urgent one of an area"),
        pytest.param([ticket(1, IN_PROGRESS), ticket(2)], [-1], id="an area that is busy"),
        pytest.param([ticket(1, DONE), ticket(2, depends=(1,))], [2], id="dependency done"),
        pytest.param([ticket(1, area="a"), ticket(2, depends=(1,))], [1], id="dependency open"),
        pytest.param([ticket(1, STUCK, area="a"), ticket(2, depends=(1,))], [], id="dependency stuck"),
        pytest.param([ticket(2, depends=(1,))], [], id="dependency missing"),
        pytest.param(
            [ticket(1, DONE), ticket(2, depends=(1, 3)), ticket(3, area="b")], [3], id="one of two done"
        ),
        pytest.param(
            [ticket(1, area="b", priority="critical", depends=(2,)), ticket(2),
             ticket(3, area="b", priority="low")],
            [2, 3], id="who waits holds nobody up",
        ),
        pytest.param([ticket(1, DONE), ticket(2, STUCK)], [], id="nothing to do"),
    ],
)  # fmt: skip
def test_the_next_ticket_is_the_oldest_of_the_highest_priority_that_can_begin(
    tickets: list[tuple[str, bytes]], expected: list[int]
) -> None:
    assert chosen(PlanFiles().with_(*tickets), staffing()) == expected


@pytest.mark.req("V1-27", "V1-28")
def test_nothing_starts_while_the_base_is_not_known_green() -> None:
    plan = PlanFiles().with_(ticket(1), ticket(2, IN_PROGRESS, area="b"))
    assert chosen(plan, staffing()) == [-2, 1]
    assert chosen(plan, staffing(green=False)) == []


def test_what_was_begun_comes_before_what_is_open() -> None:
    plan = PlanFiles().with_(ticket(1, area="a", priority="critical"), ticket(2, IN_PROGRESS, area="b"))
    assert chosen(plan, staffing(1)) == [-2]
    assert chosen(plan, staffing(1, held=(2,))) == [1]


def test_a_queued_ticket_needs_nobody_and_is_still_in_progress_for_its_area() -> None:
    plan = PlanFiles().with_(ticket(1, IN_PROGRESS), ticket(2)).queue(entry(1, 1))
    assert queued_tickets(plan.snapshot) == ids(1)
    assert chosen(plan, staffing()) == []


def test_what_a_person_takes_back_waits_until_the_queue_has_let_go_of_it() -> None:
    """Its check may be running in its worktree, and its old submission would still land."""
    plan = PlanFiles().with_(ticket(1, area="a"), ticket(2, area="b")).queue(entry(1, 1))
    assert chosen(plan, staffing()) == [2]


def test_who_is_held_or_rests_is_left_alone() -> None:
    plan = PlanFiles().with_(ticket(1, IN_PROGRESS, area="a"), ticket(2, area="b"), ticket(3, area="c"))
    assert chosen(plan, staffing(held=(1, 2))) == [3]
    assert chosen(plan, staffing(resting=(1, 3))) == [2]


@st.composite
def plans(draw: st.DrawFn) -> Snapshot:
    count = draw(st.integers(1, 6))
    states = [draw(st.sampled_from(list(TicketState))) for _ in range(count)]
    tickets = [
        ticket(
            number,
            states[number - 1],
            area=draw(st.sampled_from(["a", "b", "c"])),
            depends=tuple(draw(st.sets(st.integers(1, count), max_size=2)) - {number}),
            priority=draw(st.sampled_from(["", "low", "high", "critical"])),
        )
        for number in range(1, count + 1)
    ]
    begun = [number for number, state in enumerate(states, 1) if state is IN_PROGRESS]
    queued = draw(st.sets(st.sampled_from(begun), max_size=2)) if begun else ()
    return PlanFiles().with_(*tickets).queue(*(entry(number, number) for number in queued)).snapshot


staffings = st.builds(
    Staffing,
    free_places=st.integers(-1, 5),
    held=st.sets(st.integers(1, 7)).map(lambda found: ids(*found)),
    resting=st.sets(st.integers(1, 7)).map(lambda found: ids(*found)),
    base_is_green=st.booleans(),
)


@pytest.mark.req("V1-16")
@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(plans(), staffings)
def test_what_is_decided_can_be_committed_and_fits(snapshot: Snapshot, staff: Staffing) -> None:
    decided = decide_assignments(snapshot, staff)
    assert len(decided) <= max(staff.free_places, 0)
    assert not decided or staff.base_is_green
    started = [found.ticket for found in decided]
    assert len({file.id for file in started}) == len(started)
    assert not {file.id for file in started} & (staff.held | staff.resting | queued_tickets(snapshot))
    busy = {file.ticket.area for file in snapshot.in_state(IN_PROGRESS)}
    for found in decided:
        if isinstance(found, Assign):
            assert found.ticket.ticket.area not in busy
            busy.add(found.ticket.ticket.area)
            AssignTicket(found.ticket.id, "branch", "worktree").apply(snapshot)
        else:
            assert found.ticket.state is IN_PROGRESS


@pytest.mark.req("V1-16")
@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(plans())
def test_nobody_is_passed_over(snapshot: Snapshot) -> None:
    """With places enough, whatever is open and not started is more or less urgent for a reason."""
    decided = [found.ticket for found in decide_assignments(snapshot, staffing())]
    done = {file.id for file in snapshot.in_state(DONE)}
    busy = {file.ticket.area for file in snapshot.in_state(IN_PROGRESS)}
    for file in snapshot.in_state(OPEN):
        if file in decided or file.ticket.area in busy or not done.issuperset(file.ticket.depends):
            continue
        (rival,) = [
            other for other in decided if other.ticket.area == file.ticket.area and other.state is OPEN
        ]
        assert (-rival.ticket.priority.rank, int(rival.id)) < (-file.ticket.priority.rank, int(file.id))
