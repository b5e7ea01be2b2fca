"""``unpark``: stuck tickets, areas and the spec are tried again; what cannot be is said with what can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scriptorium.cli import main
from scriptorium.plan.ids import AreaName, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import ParkArea, ParkSpec, UpdateAreas, UpdateSpec

from .conftest import Scriptorium
from .planned import move, plan_of

CORE = AreaName("core")
Unpark = Callable[..., tuple[int, str]]


@pytest.fixture
def plan(repo: Path) -> PlanRepository:
    """Two open tickets in the area `core`, and one that is stuck."""
    plan = plan_of(repo, 3)
    move(plan, 2, TicketState.STUCK)
    return plan


@pytest.fixture
def unpark(repo: Path, capsys: pytest.CaptureFixture[str]) -> Unpark:
    """Calls the command; returns its exit code and what it printed on stdout, or on stderr if it failed."""

    def call(*words: str) -> tuple[int, str]:
        code = main(["unpark", "-C", str(repo), *words])
        printed = capsys.readouterr()
        assert not (printed.out and printed.err)
        return code, printed.err if code else printed.out

    return call


def park_area(plan: PlanRepository, name: AreaName = CORE) -> None:
    plan.commit(ParkArea(name, plan.read().areas[name].oid))


def with_areas(plan: PlanRepository, *names: str) -> None:
    """A new spec, and these areas made from it."""
    spec = plan.commit(UpdateSpec(f"# {names}\n")).spec
    assert spec is not None
    plan.commit(UpdateAreas(spec.oid, {AreaName(name): f"# {name}\n" for name in names}))


def park_spec(plan: PlanRepository) -> None:
    spec = plan.commit(UpdateSpec("# Too hard\n")).spec
    assert spec is not None
    plan.commit(ParkSpec(spec.oid))


def states(plan: PlanRepository) -> dict[str, str]:
    return {ticket: str(file.state) for ticket, file in plan.read().tickets.items()}


@pytest.mark.parametrize("word", ["0002", "2", "0002-ticket-1", "tickets/stuck/0002-ticket-1.md"])
def test_a_stuck_ticket_is_open_again(plan: PlanRepository, unpark: Unpark, word: str) -> None:
    assert unpark(word) == (
        0,
        "Ticket 0002 is open again, and its tries start anew.\nNext: scriptorium run\n",
    )
    assert states(plan) == {"0001": "open", "0002": "open", "0003": "open"}


@pytest.mark.parametrize("word", ["core", "areas/core.md"])
def test_an_area_is_ticketed_again(plan: PlanRepository, unpark: Unpark, word: str) -> None:
    with_areas(plan, "core")
    park_area(plan)
    assert unpark(word)[1].startswith("Tickets are to be made from the area core again.\n")
    assert CORE not in plan.read().ticketed


@pytest.mark.parametrize("word", ["spec", "spec.md"])
def test_the_spec_is_split_again(plan: PlanRepository, unpark: Unpark, word: str) -> None:
    park_spec(plan)
    assert unpark(word)[1].startswith("The spec is to be split into areas again.\n")
    assert plan.read().areas_from is None


def test_all_that_is_parked_is_unparked_one_commit_each(plan: PlanRepository, unpark: Unpark) -> None:
    with_areas(plan, "core", "docs")
    move(plan, 1, TicketState.STUCK)
    park_area(plan)
    park_spec(plan)
    code, out = unpark("--all")
    assert (code, len(out.splitlines())) == (0, 5)
    assert states(plan) == {"0001": "open", "0002": "open", "0003": "open"}
    assert (plan.read().areas_from, CORE in plan.read().ticketed) == (None, False)
    tip = plan.tip()
    assert unpark("--all") == (0, "Nothing is parked; nothing was changed.\n")
    assert plan.tip() == tip


def test_several_are_named_and_one_twice(plan: PlanRepository, unpark: Unpark) -> None:
    move(plan, 1, TicketState.STUCK)
    code, out = unpark("1", "0002", "0001")
    assert (code, len(out.splitlines())) == (0, 3)
    assert states(plan) == {"0001": "open", "0002": "open", "0003": "open"}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("0001", "0001: ticket 0001 is open, not stuck"),
        ("99", "99: there is no ticket 0099"),
        ("0002-other", "0002-other: there is no such ticket and no such area"),
        ("core", "core: making tickets from the area core was not given up"),
        ("nowhere", "nowhere: there is no such ticket and no such area"),
        ("spec", "spec: making areas from the spec was not given up"),
        ("areas/nowhere.md", "areas/nowhere.md: there is no such ticket and no such area"),
        ("No/such", "No/such: there is no such ticket and no such area"),
    ],
)
def test_what_cannot_be_unparked_is_said_with_what_can(
    plan: PlanRepository, unpark: Unpark, word: str, said: str
) -> None:
    tip = plan.tip()
    assert unpark("0002", word) == (1, f"scriptorium: {said}\nscriptorium: parked is: 0002\n")
    assert plan.tip() == tip


def test_a_name_that_means_two_parked_things_is_asked_back(plan: PlanRepository, unpark: Unpark) -> None:
    with_areas(plan, "0002")
    park_area(plan, AreaName("0002"))
    code, err = unpark("0002")
    assert code == 1
    assert "0002 can mean two things: say tickets/stuck/0002-ticket-1.md or areas/0002.md" in err
    assert "parked is: 0002, areas/0002.md" in err
    assert unpark("areas/0002.md")[0] == 0
    assert unpark("0002")[0] == 0, "the other is parked no more"


def test_an_area_called_spec_is_told_from_the_spec(plan: PlanRepository, unpark: Unpark) -> None:
    with_areas(plan, "spec")
    park_area(plan, AreaName("spec"))
    assert "area spec" in unpark("spec")[1]
    park_area(plan, AreaName("spec"))
    park_spec(plan)
    assert "say spec.md or areas/spec.md" in unpark("spec")[1]
    assert unpark("--all")[0] == 0


@pytest.mark.parametrize("words", [(), ("--all", "0002")])
def test_either_names_or_all(plan: PlanRepository, unpark: Unpark, words: tuple[str, ...]) -> None:
    code, err = unpark(*words)
    assert code == 2
    assert "--all" in err


def test_without_a_plan_the_next_step_is_said(repo: Path, unpark: Unpark) -> None:
    code, err = unpark("--all")
    assert code == 1
    assert "make it with: scriptorium --init" in err


@pytest.mark.slow
def test_it_works_as_a_process_and_explains_itself(
    plan: PlanRepository, repo: Path, scriptorium: Scriptorium
) -> None:
    done = scriptorium("-C", str(repo), "unpark", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert states(plan)[TicketId("0002")] == "open"
    text = scriptorium("unpark", "--help").stdout
    for words in ("TICKET|AREA|spec", "--all", "-C PATH", "scriptorium unpark 0004"):
        assert words in text
