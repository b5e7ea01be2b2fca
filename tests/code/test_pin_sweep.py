"""Letting go of old pins: what landed, what did not, and what a person did meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scriptorium.code import pin_sweep
from scriptorium.code.pin_sweep import sweep_pins
from scriptorium.code.pins import highest_ticket_id, pin_submitted, pin_work
from scriptorium.code.repository import open_repository
from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import AreaName, Oid, TicketId, ticket_id
from scriptorium.plan.init import initialize
from scriptorium.plan.refs import RefLocked
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateTickets,
    Enqueue,
    StartLanding,
    UpdateAreas,
    UpdateSpec,
)

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

CORE = AreaName("core")
START = 1_700_000_000.0
"""When everything in a fixture is committed."""
DAY = 24 * 3600.0
DRAFT = b"# %s\n\n## Goal\n\nDo it.\n\n## Acceptance Criteria\n\n- done\n"


class Project:
    """A repository with a plan whose clock a test sets; day 0 is when the base was begun."""

    def __init__(self, fixture: Fixture, count: int = 1) -> None:
        self.fixture = fixture
        self.now = START
        git_dir = fixture.project.git_dir
        initialize(git_dir, now=lambda: START)
        self.plan = PlanRepository(git_dir, now=lambda: self.now, pause=lambda _seconds: None)
        spec = self.plan.commit(UpdateSpec("Build it.\n")).spec
        assert spec is not None
        snapshot = self.plan.commit(UpdateAreas(spec.oid, {CORE: "The core.\n"}))
        files = {f"t{number}.md": DRAFT % b"T" for number in range(count)}
        drafts = validate_drafts(CORE, files, snapshot)
        self.plan.commit(CreateTickets(CORE, snapshot.areas[CORE].oid, drafts, 0))

    def land(self, number: int = 1) -> Oid:
        """From assignment to done; pinned are the submission, and work in progress on top of it."""
        ticket, repo = ticket_id(number), open_repository(self.fixture.project)
        submission = self.fixture.commit({f"{number}.txt": "submitted\n"})
        rest = self.fixture.commit({f"{number}.txt": "more\n"}, parents=[submission])
        pin_submitted(repo, ticket, submission)
        pin_work(repo, ticket, rest)
        landed = self.fixture.commit(
            {f"{number}.txt": "submitted\n"}, parents=[self.fixture.tip(), submission], branch="main"
        )
        self.plan.commit(AssignTicket(ticket, f"scriptorium/ticket-{ticket}", "w"))
        self.plan.commit(Enqueue(ticket, f"scriptorium/ticket-{ticket}", submission, "Done.\nAll."))
        self.plan.commit(StartLanding(ticket))
        self.plan.commit(CompleteTicket(ticket, landed))
        return landed

    def sweep(self, *, day: float) -> pin_sweep.Swept:
        return sweep_pins(self.fixture.project, "main", START + day * DAY)

    def refs(self) -> list[str]:
        found = open_repository(self.fixture.project).references
        return sorted(name for name in found if name.startswith("refs/scriptorium/"))


SUBMITTED, WORK = "refs/scriptorium/submitted/0001/1", "refs/scriptorium/work/0001/1"


@pytest.mark.req("V1-19")
def test_what_landed_goes_after_a_week_and_the_rest_after_a_month(fixture: Fixture) -> None:
    project = Project(fixture)
    project.land()

    assert project.sweep(day=6.9).names == ()
    assert project.refs() == [SUBMITTED, WORK]
    assert project.sweep(day=7) == pin_sweep.Swept((SUBMITTED,), 1, more=False)
    assert project.sweep(day=29.9).names == ()
    assert project.sweep(day=30).names == (WORK,)
    assert project.refs() == []
    assert project.sweep(day=40) == pin_sweep.Swept((), 0, more=False)
    # The plan itself knows that the number was given out.
    assert highest_ticket_id(open_repository(fixture.project)) == 0
    assert max(project.plan.read().tickets) == TicketId("0001")


def test_the_span_begins_when_the_ticket_was_done(fixture: Fixture) -> None:
    project = Project(fixture)
    project.now = START + 10 * DAY
    project.land()

    assert project.sweep(day=16.9).names == ()
    assert project.sweep(day=17).names == (SUBMITTED,)


def test_a_ticket_that_is_not_done_keeps_everything_for_ever(fixture: Fixture) -> None:
    project = Project(fixture)
    repo = open_repository(fixture.project)
    pin_submitted(repo, TicketId("0001"), fixture.tip())
    pin_work(repo, TicketId("0001"), fixture.commit({"x": "x"}))

    assert project.sweep(day=10_000).names == ()
    assert project.refs() == [SUBMITTED, WORK]


def test_a_base_that_a_person_reset_keeps_its_landings_for_a_month(fixture: Fixture) -> None:
    project = Project(fixture)
    before = fixture.tip()
    project.land()
    fixture.open().references.create("refs/heads/main", before, force=True)

    assert project.sweep(day=20).names == ()
    assert project.sweep(day=30).names == (SUBMITTED, WORK)


def test_they_go_a_few_at_a_time_packed_or_not(
    fixture: Fixture, run_git: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pin_sweep, "PINS_A_SWEEP", 2)
    project = Project(fixture, 3)
    for number in (1, 2):
        project.land(number)
    run_git(fixture.root, "pack-refs", "--all", "--prune")
    project.land(3)

    first, second = project.sweep(day=30), project.sweep(day=30)
    assert (len(first.names), first.more, second.more) == (2, True, True)
    assert not project.sweep(day=30).more
    assert project.refs() == []
    folders = (fixture.project.git_dir / "refs" / "scriptorium" / kind for kind in ("submitted", "work"))
    assert [list(folder.iterdir()) for folder in folders if folder.exists()] == [[], []]
    assert run_git(fixture.root, "fsck", "--strict", "--no-dangling") == ""


def test_a_lock_that_somebody_holds_is_told_and_nothing_else_is_lost(
    fixture: Fixture, run_git: Callable[..., str]
) -> None:
    project = Project(fixture)
    project.land()
    lock = fixture.project.git_dir / f"{WORK}.lock"
    lock.touch()

    with pytest.raises(RefLocked):
        project.sweep(day=30)
    assert WORK in project.refs()
    lock.unlink()
    assert project.sweep(day=30).names == (WORK,)


def test_a_pin_that_is_damaged_or_nobodys_is_left_to_a_person(fixture: Fixture) -> None:
    project = Project(fixture)
    repo = fixture.open()
    for name in ("refs/scriptorium/work/abcd/1", "refs/scriptorium/work/mine"):
        repo.references.create(name, fixture.tip())
    broken = fixture.project.git_dir / "refs/scriptorium/work/0007/1"
    broken.parent.mkdir(parents=True)
    broken.write_text("f" * 40 + "\n")

    assert project.sweep(day=10_000).names == ()
    assert broken.exists()


def test_a_shallow_clone_knows_what_landed_in_it(
    fixture: Fixture, tmp_path: Path, run_git: Callable[..., str]
) -> None:
    from scriptorium.code.repository import discover
    from tests.code.conftest import Fixture as Made

    fixture.land({"second": "x"})
    run_git(tmp_path, "clone", "-q", "--depth=1", f"file://{fixture.root}", "shallow")
    project = Project(Made(discover(tmp_path / "shallow"), "main"))
    project.land()

    assert project.sweep(day=7).names == (SUBMITTED,)
