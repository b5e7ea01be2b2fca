"""A ticket that is about to be landed, in each kind of repository that makes a difference to a landing."""

from __future__ import annotations

import os
import shutil
from enum import Enum
from pathlib import Path
from typing import Final

from attrs import frozen

from scriptorium.code.evidence import Evidence
from scriptorium.code.landing import Landed, LandingOutcome, finish_landing, land
from scriptorium.code.locks import remove_stale_locks
from scriptorium.code.pins import read_landings
from scriptorium.code.repository import Project, open_repository
from scriptorium.code.settle import Settled, SettledAs, settle
from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import Oid
from scriptorium.plan.init import initialize
from scriptorium.plan.layout import TicketState
from scriptorium.plan.message import Trailer, parse_message
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateTickets,
    Enqueue,
    PreconditionFailed,
    StartLanding,
    UpdateAreas,
    UpdateSpec,
)
from tests.code.conftest import FIRST_FILES, Content, Fixture, git, make_repository
from tests.code.landings import CHANGES, TICKET, submit
from tests.plan.plans import CORE, draft_text

from .aftermath import assert_packs_are_tidy, assert_plan_is_sound, left_over

BRANCH: Final = "main"


class Base(Enum):
    """Where the base branch is checked out."""

    CHECKED_OUT = "in the project's folder"
    LINKED = "in a linked worktree"
    ELSEWHERE = "nowhere: the project's folder is on another branch"
    BARE = "nowhere: the repository is bare"


@frozen
class Site:
    """The repository and all that belongs to it are in `place`, and again in `kept`.

    `checkout` is the folder that a landing takes along; it has uncommitted work of the user's.
    """

    place: Path
    kept: Path
    fixture: Fixture
    evidence: Evidence
    commit: Oid
    checkout: Path | None

    @property
    def project(self) -> Project:
        """What scriptorium works on."""
        return self.fixture.project

    def keep(self) -> None:
        """From now on, `put_back` makes everything as it is at present."""
        shutil.rmtree(self.kept, ignore_errors=True)
        shutil.copytree(self.place, self.kept, symlinks=True)

    def put_back(self) -> None:
        """Make everything as it was when it was kept."""
        shutil.rmtree(self.place)
        shutil.copytree(self.kept, self.place, symlinks=True)


def make_site(base: Base, folder: Path) -> Site:
    """A repository in `folder`, which is made; its ticket 0001 is submitted, and its landing has started."""
    place = folder / "place"
    fixture = make_repository(place / "a répo with spaces", bare=base is Base.BARE)
    checkout = _check_out(base, fixture, place)
    if checkout is not None:
        _leave_work(checkout)
    evidence, commit = submit(fixture, CHANGES)
    _start_landing(fixture.project.git_dir, evidence.submission)
    git(fixture.root, "repack", "-q", "-a", "-d", "-k")  # a hundred folders less to copy
    site = Site(place, folder / "kept", fixture, evidence, commit, checkout)
    site.keep()
    return site


def _check_out(base: Base, fixture: Fixture, place: Path) -> Path | None:
    match base:
        case Base.CHECKED_OUT:
            return fixture.root
        case Base.BARE:
            return None
        case Base.ELSEWHERE | Base.LINKED:
            git(fixture.root, "switch", "-q", "-c", "elsewhere")
    if base is Base.ELSEWHERE:
        return None
    git(fixture.root, "worktree", "add", "-q", str(place / "linked"), BRANCH)
    return place / "linked"


def _leave_work(checkout: Path) -> None:
    """Uncommitted work that no landing may touch."""
    (checkout / "dirty").write_text("untracked\n")
    (checkout / ".gitignore").write_text("*.log\n/build/\n# mine\n")
    (checkout / "staged").write_text("staged\n")
    git(checkout, "add", "staged")


USERS_STATUS: Final = " M .gitignore\nA  staged\n?? dirty\n"


def _start_landing(git_dir: Path, submission: Oid) -> None:
    initialize(git_dir)
    plan = PlanRepository(git_dir)
    spec = plan.commit(UpdateSpec("Build it.\n")).spec
    assert spec is not None
    snapshot = plan.commit(UpdateAreas(spec.oid, {CORE: "The core.\n"}))
    drafts = validate_drafts(CORE, {"first.md": draft_text().encode()}, snapshot)
    plan.commit(CreateTickets(CORE, snapshot.areas[CORE].oid, drafts, 0))
    branch = f"scriptorium/ticket-{TICKET}"
    plan.commit(AssignTicket(TICKET, branch, f".scriptorium/worktrees/tickets/{TICKET}"))
    plan.commit(Enqueue(TICKET, branch, submission, "Done."))
    plan.commit(StartLanding(TICKET))


# ---------------------------------------------------------------- what a service does there


def land_it(site: Site) -> LandingOutcome:
    """Move the base and what follows it."""
    return land(site.project, BRANCH, TICKET, site.evidence, site.commit)


def land_and_complete(site: Site) -> str:
    """The whole end of a ticket's life."""
    assert land_it(site) == Landed(site.commit)
    complete(site)
    return "landed"


def complete(site: Site) -> None:
    """Say in the plan that the ticket is done, unless it does; then forget its landing."""
    try:
        PlanRepository(site.project.git_dir).commit(CompleteTicket(TICKET, site.commit))
    except PreconditionFailed as failed:
        assert "is done" in failed.reason
    finish_landing(site.project, TICKET)


def start_again(site: Site) -> tuple[Settled, ...]:
    """What the next start does before anything else, with no human; returns what it found."""
    remove_stale_locks(site.project, BRANCH)
    return settle_all(site)


def settle_all(site: Site) -> tuple[Settled, ...]:
    """Settle what is left of landings, and bring the plan up to it."""
    found = settle(site.project, BRANCH)
    for settled in found:
        assert settled.outcome is not SettledAs.BLOCKED, settled
        if settled.outcome is not SettledAs.CHECK_AGAIN:
            complete(site)
    return found


# ---------------------------------------------------------------- what is there


def assert_files_are_whole(site: Site) -> None:
    """At any moment, each file of the checkout is the old one or the new one; all new once the base moved."""
    if site.checkout is not None:
        is_landed = site.fixture.tip() == site.commit
        for path, new in CHANGES.items():
            found = _content(site.checkout / path)
            old = FIRST_FILES.get(path)
            assert found == _expected(new) or (found == _expected(old) and not is_landed), path


def _content(path: Path) -> tuple[str, str] | None:
    if path.is_symlink():
        return "link", os.readlink(path)  # noqa: PTH115
    if not path.exists():
        return None
    return "exec" if os.access(path, os.X_OK) else "file", path.read_text()


def _expected(content: Content) -> tuple[str, str] | None:
    match content:
        case str():
            return "file", content
        case bytes():
            return "file", content.decode()
        case _:
            return content


def assert_landed(site: Site) -> None:
    """The ticket has landed and is done, the checkout has it and the user's work, and nothing lies about."""
    assert site.fixture.tip() == site.commit
    assert_files_are_whole(site)
    if site.checkout is not None:
        assert git(site.checkout, "status", "--porcelain") == USERS_STATUS
    snapshot = PlanRepository(site.project.git_dir).read()
    assert snapshot.state_of(TICKET) is TicketState.DONE
    assert (snapshot.active, snapshot.pending) == (None, ())
    message = parse_message(GitObjects(site.project.git_dir).commit(snapshot.commit).message)
    assert message is not None
    assert message.value(Trailer.LANDED) == site.commit
    assert_nothing_is_left(site)


def assert_untouched(site: Site, status: str = USERS_STATUS) -> None:
    """No landing is under way, and the checkout's files are the old ones."""
    assert read_landings(open_repository(site.project)) == ()
    if site.checkout is not None:
        found = {path: _content(site.checkout / path) for path in CHANGES}
        assert found == {path: _expected(FIRST_FILES.get(path)) for path in CHANGES}
        assert git(site.checkout, "status", "--porcelain") == status


def assert_nothing_is_left(site: Site) -> None:
    """No landing, no lock, no file on its way; plan and repository are sound."""
    project = site.project
    assert read_landings(open_repository(project)) == ()
    assert [path for path in (project.state_dir / "landing" / "tree").rglob("*") if not path.is_dir()] == []
    assert_plan_is_sound(project.git_dir)
    assert_packs_are_tidy(project.git_dir)
    if left_over(site.place):
        git(project.root, "prune", "--expire=now")  # what a kill left of an object, git removes in time
    assert left_over(site.place) == []
