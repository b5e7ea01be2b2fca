"""``recheck``: a running service is asked to look again; what was given up is planned again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scriptorium.cli import main
from scriptorium.code.evidence import Result
from scriptorium.code.recheck_request import RECHECK_NAME, take_recheck
from scriptorium.harness.records import write_service_record
from scriptorium.plan.ids import AreaName
from scriptorium.plan.layout import TicketState
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import ParkArea

from .conftest import Scriptorium
from .planned import move, plan_of
from .test_status import tip, verdict
from .test_unpark import CORE, park_spec, states, with_areas

Recheck = Callable[[], tuple[int, str]]


@pytest.fixture
def plan(repo: Path) -> PlanRepository:
    """Open tickets in the area `core`, and one that is stuck."""
    plan = plan_of(repo, 2)
    move(plan, 2, TicketState.STUCK)
    (repo / ".scriptorium").mkdir(exist_ok=True)
    return plan


@pytest.fixture
def recheck(repo: Path, capsys: pytest.CaptureFixture[str]) -> Recheck:
    """Calls the command; its exit code and what it printed."""

    def call() -> tuple[int, str]:
        code = main(["recheck", "-C", str(repo)])
        printed = capsys.readouterr()
        assert not (printed.out and printed.err)
        return code, printed.err if code else printed.out

    return call


def running(repo: Path) -> None:
    write_service_record(repo / ".scriptorium" / "service.json", endpoint="http://[::1]:1", started="now")


def test_a_running_service_is_asked(plan: PlanRepository, repo: Path, recheck: Recheck) -> None:
    running(repo)
    verdict(repo, Result.RED)
    before = plan.tip()
    for _ in range(2):
        code, said = recheck()
        assert code == 0
        assert said.startswith(
            f"The base branch main at {tip(repo)[:12]} is red since 2024-05-06T07:08:09Z: "
        )
        assert said.endswith("The running service checks it again now.\n")
    assert take_recheck(repo / ".scriptorium")
    assert plan.tip() == before
    assert states(plan)["0002"] == "stuck"  # that is for `unpark`


def test_without_a_service_there_is_nobody_to_ask(plan: PlanRepository, repo: Path, recheck: Recheck) -> None:
    verdict(repo, Result.RED)
    code, said = recheck()
    assert code == 0
    assert "No service is running; the next one checks it as it starts.\nNext: scriptorium run\n" in said
    assert not (repo / ".scriptorium" / RECHECK_NAME).exists()


def test_a_green_base_is_not_checked_again(plan: PlanRepository, repo: Path, recheck: Recheck) -> None:
    running(repo)
    verdict(repo, Result.GREEN)
    here = f"The base branch main at {tip(repo)[:12]}"
    assert recheck() == (0, f"{here} is green; a tree that is green once is not checked again.\n")
    assert take_recheck(repo / ".scriptorium")  # submissions that could not be checked are tried again


def test_what_was_given_up_in_planning_is_planned_again(plan: PlanRepository, recheck: Recheck) -> None:
    with_areas(plan, "core", "docs")
    for name in (CORE, AreaName("docs")):
        plan.commit(ParkArea(name, plan.read().areas[name].oid))
    park_spec(plan)
    code, said = recheck()
    assert code == 0
    assert said.splitlines()[:3] == [
        "The spec is to be split into areas again.",
        "Tickets are to be made from the area core again.",
        "Tickets are to be made from the area docs again.",
    ]
    assert (plan.read().areas_from, dict(plan.read().ticketed)) == (None, {})
    before = plan.tip()
    assert recheck()[0] == 0
    assert plan.tip() == before


def test_a_service_that_cannot_be_asked_is_said(plan: PlanRepository, repo: Path, recheck: Recheck) -> None:
    running(repo)
    (repo / ".scriptorium" / RECHECK_NAME).symlink_to("no/such/folder/x")
    code, said = recheck()
    assert code == 1
    assert "the running service cannot be asked" in said


def test_without_a_plan_the_next_step_is_said(repo: Path, recheck: Recheck) -> None:
    code, said = recheck()
    assert code == 1
    assert "make it with: scriptorium --init" in said


@pytest.mark.slow
def test_it_works_as_a_process_and_explains_itself(
    plan: PlanRepository, repo: Path, scriptorium: Scriptorium
) -> None:
    done = scriptorium("recheck", "-C", str(repo))
    assert (done.returncode, done.stderr) == (0, "")
    text = scriptorium("recheck", "--help").stdout
    for words in ("scriptorium recheck", "-C PATH", "red base branch"):
        assert words in text
