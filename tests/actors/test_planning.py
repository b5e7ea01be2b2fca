"""What is to be planned next."""

from __future__ import annotations

import pytest

from scriptorium.actors.planning import areas_to_ticket, spec_to_split
from scriptorium.plan.ids import AreaName
from scriptorium.plan.layout import TicketState
from scriptorium.plan.spec import PLACEHOLDER

from .plans import DONE, IN_PROGRESS, OID, OPEN, STUCK, PlanFiles, split, ticket


def names(plan: PlanFiles, running: tuple[str, ...] = ()) -> list[str]:
    return [area.name for area in areas_to_ticket(plan.snapshot, [AreaName(name) for name in running])]


@pytest.mark.req("V1-07", "V1-06")
@pytest.mark.parametrize(
    "text", [None, PLACEHOLDER, "", " \n"], ids=["missing", "placeholder", "empty", "blank"]
)
def test_without_a_spec_nothing_is_split_and_nothing_ticketed(text: str | None) -> None:
    plan = PlanFiles().areas("core")
    plan = plan if text is None else plan.spec(text)
    assert spec_to_split(plan.snapshot) is None
    assert names(plan) == []


@pytest.mark.req("V1-07")
def test_a_spec_is_split_once_for_each_text() -> None:
    plan = PlanFiles().spec()
    assert spec_to_split(plan.snapshot) == plan.snapshot.spec
    assert spec_to_split(plan.areas("core", of=f"{OID} ok\n").snapshot) == plan.snapshot.spec
    for outcome in ("", " ok", " failed"):
        assert spec_to_split(plan.areas("core", of=f"{plan.spec_oid()}{outcome}\n").snapshot) is None
    assert spec_to_split(split("core").spec("# Another\n").snapshot) is not None


@pytest.mark.req("V1-11")
@pytest.mark.parametrize(
    ("state", "waits"), [(OPEN, True), (IN_PROGRESS, True), (DONE, False), (STUCK, False)], ids=str
)
def test_an_area_with_unfinished_tickets_waits(state: TicketState, waits: bool) -> None:
    plan = split("core", "docs").with_(ticket(1, state, area="core"))
    assert names(plan) == (["docs"] if waits else ["core", "docs"])


@pytest.mark.req("V1-11")
@pytest.mark.parametrize("outcome", ["", " ok", " failed"])
@pytest.mark.parametrize("tickets", [(), (ticket(1, DONE),), (ticket(1, STUCK), ticket(2, DONE))])
def test_an_area_is_ticketed_once_for_each_text_whatever_came_of_it(
    outcome: str, tickets: tuple[tuple[str, bytes], ...]
) -> None:
    plan = split("core").with_(*tickets)
    assert names(plan) == ["core"]
    plan = plan.marked("core", f"{plan.area_oid('core')}{outcome}\n")
    assert names(plan) == []
    assert names(plan.add("areas/core.md", "Another text.\n")) == ["core"]


@pytest.mark.req("V1-12")
def test_every_area_that_is_not_being_ticketed_is_due_by_name() -> None:
    assert names(split("gamma", "alpha", "beta")) == ["alpha", "beta", "gamma"]
    assert names(split("gamma", "alpha", "beta"), running=("beta",)) == ["alpha", "gamma"]


def test_areas_wait_while_the_spec_is_still_to_be_split() -> None:
    plan = split("core")
    assert names(plan) == ["core"]
    assert names(plan.spec("# Another\n")) == []


def test_areas_of_a_spec_that_was_given_up_are_ticketed_all_the_same() -> None:
    plan = PlanFiles().spec().areas("core")
    assert names(plan.areas(of=f"{plan.spec_oid()} failed\n")) == ["core"]
