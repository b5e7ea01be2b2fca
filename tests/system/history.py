"""What git says after a run, and the invariants that hold after every fault."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection
from pathlib import Path

from attrs import frozen

from scriptorium.plan.audit import Severity, audit_history

from .places import Place
from .service import Service, marked
from .waiting import until

SCRIPTORIUM = "scriptorium <scriptorium@localhost>"
FSCK_TRIES = 10
_TRAILER = re.compile(r"^([A-Z][a-z-]+): (.*)$", re.MULTILINE)


@frozen
class PlanCommit:
    """One commit of the plan branch."""

    oid: str
    author: str
    committer: str
    subject: str
    trailers: dict[str, str]

    @property
    def ticket(self) -> str | None:
        """The ticket that it is about."""
        return self.trailers.get("Ticket")


@frozen
class Landing:
    """A first-parent commit of the base branch with two parents."""

    oid: str
    base: str
    submission: str


def plan_log(place: Place) -> list[PlanCommit]:
    """The plan branch, oldest first."""
    text = place.git(
        "log", "--reverse", "--format=%H%x1f%an <%ae>%x1f%cn <%ce>%x1f%s%x1f%b%x1e", "scriptorium/plan"
    )
    found = []
    for entry in text.split("\x1e"):
        if entry.strip():
            oid, author, committer, subject, body = entry.strip("\n").split("\x1f")
            found.append(PlanCommit(oid, author, committer, subject, dict(_TRAILER.findall(body))))
    return found


def subjects(place: Place, start: str = "") -> list[str]:
    """The subjects on the plan branch, oldest first, without their common beginning."""
    plain = [commit.subject.removeprefix("scriptorium: ") for commit in plan_log(place)]
    return [subject for subject in plain if subject.startswith(start)]


def landings(place: Place) -> list[Landing]:
    """The merges on the first-parent line of the base branch, oldest first."""
    lines = place.git("rev-list", "--first-parent", "--reverse", "--parents", "main").splitlines()
    return [Landing(*words) for words in map(str.split, lines) if len(words) == 3]


def tickets(place: Place) -> dict[str, str]:
    """Ticket slug -> the one state that it is in, from the tree of the plan branch."""
    paths = place.git("ls-tree", "-r", "--name-only", "scriptorium/plan", "tickets/").splitlines()
    found: dict[str, str] = {}
    for path in paths:
        _, state, name = path.split("/", 2)
        if name.endswith(".md"):
            slug = name.removesuffix(".md").partition("-")[2]
            assert slug not in found, f"{slug} is in two states"
            found[slug] = state
    return found


def ids(place: Place) -> dict[str, str]:
    """Ticket slug -> id."""
    names = place.git("ls-tree", "-r", "--name-only", "scriptorium/plan", "tickets/").splitlines()
    stems = [Path(name).stem for name in names if name.endswith(".md")]
    return {slug: ident for ident, _, slug in (stem.partition("-") for stem in stems)}


def pins(place: Place, kind: str, ticket: str) -> list[str]:
    """The commits pinned under refs/scriptorium/KIND/TICKET, in the order of their numbers."""
    lines = place.git(
        "for-each-ref",
        "--sort=version:refname",
        "--format=%(objectname)",
        f"refs/scriptorium/{kind}/{ticket}",
    )
    return lines.split()


def shown(place: Place, commit: str, path: str) -> str:
    """A file at a commit."""
    return place.git("show", f"{commit}:{path}")


def check_tree(place: Place, commit: str, folder: Path) -> int:
    """Check a commit out into a folder far from the repository, and run the check there; its exit code."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=place.root, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return subprocess.run(["make", "test"], cwd=folder, capture_output=True, check=False).returncode


def assert_sound(place: Place, *, over: bool = True, by_hand: Collection[str] = ()) -> None:
    """The invariants that hold after every fault; when the service is `over`, no process of it is left.

    The plan commits `by_hand` are a person's, all others scriptorium's.
    """
    git_dir = Path(place.git("rev-parse", "--absolute-git-dir").strip())
    errors = [str(found) for found in audit_history(git_dir) if found.severity is Severity.ERROR]
    assert errors == []
    for commit in plan_log(place):
        assert ((commit.author, commit.committer) == (SCRIPTORIUM, SCRIPTORIUM)) != (commit.oid in by_hand)
    tickets(place)
    _assert_whole(place)
    _landings_are_sound(place)
    if over:
        assert marked(place.root) == {}
        assert list((place.root / ".scriptorium" / "runs").glob("*.json")) == []


def _assert_whole(place: Place) -> None:
    """`git fsck` finds nothing.

    The agents of a service that was killed live on for a while: fsck, which lists the objects before it reads
    the branches and their logs, misses what one commits in between. What is really missing is so ever after.
    """
    words = ("fsck", "--full", "--strict", "--no-dangling", "--no-progress")
    for _ in range(FSCK_TRIES):
        others = marked(place.root)
        try:
            assert place.git(*words) == ""
        except AssertionError:
            if not others:
                raise
        else:
            return
    assert place.git(*words) == ""


def _landings_are_sound(place: Place) -> None:
    """Each landing is [base tip, a submitted commit], and the plan says once, and truly, what landed."""
    log = plan_log(place)
    completed = [commit for commit in log if commit.subject.startswith("scriptorium: complete ticket")]
    assert len({commit.ticket for commit in completed}) == len(completed), "a ticket was completed twice"
    landed = {commit.trailers["Landed"]: commit.ticket for commit in completed}
    found = {landing.oid: landing for landing in landings(place)}
    assert set(landed) <= set(found)
    lines = place.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/scriptorium/submitted")
    pinned = {(name.split("/")[3], oid) for name, oid in map(str.split, lines.splitlines())}
    assert {(ticket, found[oid].submission) for oid, ticket in landed.items()} <= pinned
    # At most one landing is ahead of the plan: the one that a kill cut short.
    assert len(found) - len(landed) <= 1


def assert_finished(place: Place, *, landed: int) -> None:
    """Everything is done: so many tickets landed, each once, and the user's checkout is on them, clean."""
    assert_sound(place)
    assert len(landings(place)) == landed
    assert len(subjects(place, "complete ticket")) == landed
    assert place.git("for-each-ref", "refs/scriptorium/landing") == ""
    assert_no_ticket_worktree(place)
    assert place.git("symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert place.git("status", "--porcelain") == ""


def assert_no_ticket_worktree(place: Place) -> None:
    """No worktree of a ticket: not for git, and not on the disk."""
    assert _is_tidy(place), place.git("worktree", "list")


def _is_tidy(place: Place) -> bool:
    folder = place.root / ".scriptorium" / "worktrees" / "tickets"
    on_disk = list(folder.iterdir()) if folder.exists() else []
    return not on_disk and "/worktrees/tickets/" not in place.git("worktree", "list", "--porcelain")


def stop_when_landed(place: Place, service: Service, landed: int) -> None:
    """Wait until so many tickets have landed and their worktrees are gone, then end the service well."""
    service.wait_for("landed as", times=landed)
    until(lambda: _is_tidy(place), lambda: f"the end of the worktrees in:\n{service.log}")
    service.stop()
    assert_finished(place, landed=landed)
