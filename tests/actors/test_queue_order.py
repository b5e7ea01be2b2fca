"""The order of the merge queue: priority, then what others wait for, then submission; and nobody starves."""

from __future__ import annotations

from random import Random

import pytest
from attrs import define, field

from scriptorium.actors.merging import next_entry
from scriptorium.actors.queue_order import PASSED_OVER_LIMIT, in_landing_order
from scriptorium.plan.layout import TicketState
from scriptorium.plan.memory import snapshot_from_files
from scriptorium.plan.snapshot import Numbers

from .plans import DONE, IN_PROGRESS, OPEN, STUCK, PlanFiles, entry, ticket

PRIORITIES = ("low", "medium", "high", "critical")


def order(plan: PlanFiles, *, given_out: int = 0) -> list[int]:
    """The tickets in the order in which they would land."""
    snapshot = snapshot_from_files(plan.files, numbers=Numbers(queue=given_out))
    return [int(found.ticket) for found in in_landing_order(snapshot, snapshot.pending)]


def queued(*priorities: str) -> PlanFiles:
    """Tickets 1, 2, ... of these priorities, submitted in that order."""
    tickets = [
        ticket(number, IN_PROGRESS, area=f"a{number}", priority=priority)
        for number, priority in enumerate(priorities, 1)
    ]
    return (
        PlanFiles().with_(*tickets).queue(*(entry(number, number) for number in range(1, len(tickets) + 1)))
    )


def test_by_priority_then_in_the_order_of_submission() -> None:
    assert order(queued("low", "", "critical", "medium", "high", "critical")) == [3, 6, 5, 2, 4, 1]
    again = PlanFiles().with_(ticket(1, IN_PROGRESS), ticket(2, IN_PROGRESS, area="b"))
    assert order(again.queue(entry(7, 2), entry(8, 1))) == [2, 1]


def test_what_an_open_ticket_waits_for_is_as_urgent_as_that_ticket() -> None:
    plan = queued("high", "low")
    assert order(plan.with_(ticket(3, OPEN, depends=(2,), priority="critical"))) == [2, 1]
    # Also when it waits by way of another, and however the circle that somebody made by hand is closed.
    chain = plan.with_(
        ticket(3, OPEN, depends=(2, 4), priority="low"), ticket(4, OPEN, depends=(3,), priority="critical")
    )
    assert order(chain) == [2, 1]
    assert order(plan.with_(ticket(3, OPEN, depends=(2,), priority="medium"))) == [1, 2]


def test_of_equal_priority_the_one_that_more_tickets_wait_for() -> None:
    plan = queued("", "", "")
    assert order(plan.with_(ticket(4, OPEN, depends=(3,)))) == [3, 1, 2]
    two = plan.with_(ticket(4, OPEN, depends=(2,)), ticket(5, OPEN, depends=(3,)))
    assert order(two) == [2, 3, 1]
    assert order(two.with_(ticket(6, OPEN, depends=(5,)))) == [3, 2, 1]


@pytest.mark.parametrize("state", [IN_PROGRESS, DONE, STUCK])
def test_only_open_tickets_wait(state: TicketState) -> None:
    waits = ticket(4, state, area="z", depends=(2,), priority="critical")
    behind = ticket(5, OPEN, depends=(4,), priority="critical")
    assert order(queued("", "", "").with_(waits, behind)) == [1, 2, 3]


def test_one_that_was_passed_over_often_enough_goes_first() -> None:
    plan = queued("low", "high")
    assert order(plan, given_out=PASSED_OVER_LIMIT + 1) == [2, 1]
    assert order(plan, given_out=PASSED_OVER_LIMIT + 2) == [1, 2]
    # A long queue of which nothing has left is not a long wait.
    assert order(queued("low", *["high"] * (PASSED_OVER_LIMIT + 5)))[-1] == 1


@pytest.mark.parametrize("seed", range(3))
def test_nothing_starves(seed: int) -> None:
    """Arrivals at random, more than can land at once for long, and some with somebody urgent behind them."""
    random = Random(seed)  # noqa: S311 - an example to repeat, not a secret
    world = _Arrivals()
    for step in range(80):
        while step < 40 and random.random() < 0.55:
            world.arrive(random.choice(PRIORITIES), urgent_behind=random.random() < 0.2)
        world.land_next()
    assert not world.waiting
    assert world.landed == world.arrived > 25


def test_one_that_is_always_outranked_waits_for_exactly_the_limit() -> None:
    world = _Arrivals()
    world.arrive("low")
    for _ in range(PASSED_OVER_LIMIT):
        world.arrive("critical")
        assert world.land_next() != 1
    world.arrive("critical")
    assert world.land_next() == 1


@define
class _Arrivals:
    """A queue to which tickets come and from which one lands at a time, each within its bound."""

    waiting: dict[int, tuple[str, bytes]] = field(factory=dict)
    behind: dict[int, tuple[str, bytes]] = field(factory=dict)
    bounds: dict[int, int] = field(factory=dict)
    arrived: int = 0
    landed: int = 0

    def arrive(self, priority: str, *, urgent_behind: bool = False) -> None:
        self.arrived += 1
        number = self.arrived
        self.bounds[number] = self.landed + len(self.waiting) + PASSED_OVER_LIMIT
        self.waiting[number] = ticket(number, IN_PROGRESS, area=f"a{number}", priority=priority)
        if urgent_behind:
            self.behind[number] = ticket(number + 500, OPEN, depends=(number,), priority="critical")

    def land_next(self) -> int | None:
        tickets = [*self.waiting.values(), *self.behind.values()]
        plan = PlanFiles().with_(*tickets).queue(*(entry(number, number) for number in self.waiting))
        following = next_entry(snapshot_from_files(plan.files, numbers=Numbers(queue=self.arrived)), ())
        if following is None:
            return None
        number = following.entry.number
        assert self.landed <= self.bounds[number]
        del self.waiting[number]
        self.behind.pop(number, None)
        self.landed += 1
        return number
