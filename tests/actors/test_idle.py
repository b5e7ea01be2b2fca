"""What `run --until-idle` says is left."""

from __future__ import annotations

import pytest

from scriptorium.actors.health import Blocked, Conditions, Health, HealthState
from scriptorium.actors.idle import leftovers
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.spec import PLACEHOLDER

from .plans import DONE, IN_PROGRESS, OPEN, STUCK, PlanFiles, entry, split, ticket

GREEN = Health(Oid("b" * 40), HealthState.GREEN)


def left(plan: PlanFiles, health: Health = GREEN, blocked: Blocked | None = None) -> list[str]:
    return list(leftovers(plan.snapshot, Conditions("main", lambda: None, health, blocked)))


def finished() -> PlanFiles:
    plan = split("core")
    return plan.marked("core", f"{plan.area_oid('core')} ok\n").with_(ticket(1, DONE))


def test_when_everything_is_done_nothing_is_left() -> None:
    assert left(finished()) == []


@pytest.mark.req("V1-06")
@pytest.mark.parametrize("plan", [PlanFiles(), PlanFiles().spec(PLACEHOLDER)])
def test_no_spec_is_said_with_the_command_that_helps(plan: PlanFiles) -> None:
    (line,) = left(plan)
    assert line.startswith("no spec: ")
    assert "scriptorium plan --from FILE" in line


def test_each_ticket_that_is_left_has_a_line_with_its_reason() -> None:
    plan = finished().with_(
        ticket(2, STUCK),
        ticket(3, depends=(2, 1, 9, 4)),
        ticket(4, IN_PROGRESS, area="docs"),
        ticket(5, IN_PROGRESS, area="more"),
        ticket(6, OPEN),
        ("tickets/open/0007-slug.md", b"no ticket\n"),
        ticket(8, depends=(7,)),
    )
    assert left(plan.queue(entry(1, 5))) == [
        "unreadable: tickets/open/0007-slug.md: " + plan.snapshot.problems[0].reason,
        "0002 stuck: Title 2 (to try again: scriptorium unpark 0002)",
        "0003 waits for 0002 (stuck), 0009 (missing), 0004: Title 3",
        "0004 in progress: Title 4",
        "0005 in the merge queue: Title 5",
        "0006 open: Title 6",
        "0008 waits for 0007 (unreadable): Title 8",
    ]


def test_planning_that_is_left_or_failed_is_said() -> None:
    assert left(PlanFiles().spec()) == ["the spec has not been split into areas"]
    plan = PlanFiles().spec()
    (line,) = left(plan.areas(of=f"{plan.spec_oid()} failed\n"))
    assert line.startswith("planning failed: no usable areas")
    assert left(split("core")) == ["area core has not been ticketed"]
    plan = split("core")
    (line,) = left(plan.marked("core", f"{plan.area_oid('core')} failed\n"))
    assert line.startswith("planning failed: area core")


def test_what_halts_work_is_said() -> None:
    red = Health(Oid("b" * 40), HealthState.RED, "2026-01-02T03:04:05Z", "`make test` fails, see x")
    lines = left(finished(), red, Blocked(TicketId("0001"), ("a.py", "b.py")))
    assert lines[0] == "base red since 2026-01-02T03:04:05Z: branch main: `make test` fails, see x"
    assert lines[1].startswith("landing blocked by a.py, b.py: ticket 0001 waits; ")
    assert left(finished(), Health(reason="it has no commit")) == [
        "base branch main not known to be green: it has no commit"
    ]


def test_a_queue_entry_that_nobody_can_land_is_named() -> None:
    plan = finished().queue(entry(1, 1), entry(2, 7))
    assert left(plan) == [
        "queue/merge/pending/0001-0001.md: its ticket 0001 is done: remove the entry, or mend the ticket",
        "queue/merge/pending/0002-0007.md: its ticket 0007 is missing or unreadable: "
        "remove the entry, or mend the ticket",
    ]
