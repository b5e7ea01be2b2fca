"""What a service has said it did is so, and stays so, however it ends; what a killed one leaves is little."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from pathlib import Path

from attrs import define, field

from scriptorium.plan.packing import LEFT_SECONDS, PACKS, roll_up

from .history import PlanCommit, assert_sound, landings, plan_log
from .load import Load
from .places import Place

_SAID = {
    "assign ticket": re.compile(r"^\S+ (\d{4,}) assigned: ", re.MULTILINE),
    "reopen ticket": re.compile(r"^\S+ (\d{4,}) reopened: ", re.MULTILINE),
}
_SUBMITTED = re.compile(r"^\S+ (\d{4,}) submitted ([0-9a-f]{10})$", re.MULTILINE)
_LANDED = re.compile(r"^\S+ (\d{4,}) landed as ([0-9a-f]{10})$", re.MULTILINE)
_CREATED = re.compile(r"^\S+ area \S+: tickets ([0-9, ]+)$", re.MULTILINE)
_ANSWERED = re.compile(r"Submitted ticket (\d{4,}) at ([0-9a-f]{10})\.")
_ENTRY = re.compile(r"^\+.*\b([0-9a-f]{40})\b", re.MULTILINE)
_ENQUEUE = "scriptorium: enqueue merge request"
_OUTCOMES = ("scriptorium: complete ticket", "scriptorium: reopen ticket", "scriptorium: park ticket")

AT_ONCE = 4
"""Agents; so are the worktrees of tickets, spares and leftovers, within a factor."""
_STATE_FILES = 1000
"""Of a round: run records, scratch folders, verdicts, what is staged for a landing."""


@define
class Promises:
    """Held against the repository after each fault; remembers where the branches have been."""

    load: Load
    _tips: dict[str, str] = field(factory=dict)

    @property
    def place(self) -> Place:
        """The repository."""
        return self.load.place

    def assert_kept(self, *, over: bool = False) -> None:
        """All that holds after every fault; `over` when the service has ended well."""
        assert_sound(self.place, over=over)
        self._only_forward()
        log = plan_log(self.place)
        self._said_is_so(log)
        self._submissions_are_kept(log)
        self._landed_trees_passed()

    def _only_forward(self) -> None:
        """Neither branch has lost a commit."""
        for branch in ("main", "scriptorium/plan"):
            before, now = self._tips.get(branch), self.place.git("rev-parse", branch).strip()
            if before is not None:
                self.place.git("merge-base", "--is-ancestor", before, now)
            self._tips[branch] = now
        for commit in self.load.committed:
            self.place.git("merge-base", "--is-ancestor", commit, "scriptorium/plan")

    def _said_is_so(self, log: list[PlanCommit]) -> None:
        said = "".join(service.log for service in self.place.services)
        for kind, pattern in _SAID.items():
            told = Counter(pattern.findall(said))
            done = Counter(c.ticket for c in log if c.subject.startswith(f"scriptorium: {kind}"))
            assert all(done[ticket] >= count for ticket, count in told.items()), (kind, told, done)
        landed = {(str(c.ticket), c.trailers["Landed"][:10]) for c in log if "Landed" in c.trailers}
        assert set(_LANDED.findall(said)) <= landed
        names = self.place.git("ls-tree", "-r", "--name-only", "scriptorium/plan", "tickets/").split()
        there = {Path(name).name.partition("-")[0] for name in names}
        assert {ticket for some in _CREATED.findall(said) for ticket in some.split(", ")} <= there

    def _submissions_are_kept(self, log: list[PlanCommit]) -> None:
        """Each that was answered was queued and is pinned; each but the newest has its outcome."""
        said = "".join(service.log for service in self.place.services)
        told = "\n".join(told["message"] for told in self.place.events("accepted"))
        queued = self._queued()
        short = {(str(c.ticket), queued[c.oid][:10]) for c in log if c.oid in queued}
        lines = self.place.git(
            "for-each-ref", "--format=%(refname) %(objectname)", "refs/scriptorium/submitted"
        )
        pinned = {(name.split("/")[3], oid[:10]) for name, oid in map(str.split, lines.splitlines())}
        for answered in (*_SUBMITTED.findall(said), *_ANSWERED.findall(told)):
            assert answered in short & pinned, answered
        landed = {landing.oid: landing.submission for landing in landings(self.place)}
        waiting: dict[str, str] = {}
        for commit in log:
            if commit.subject.startswith(_ENQUEUE):
                waiting[str(commit.ticket)] = queued[commit.oid]
            elif commit.subject.startswith(_OUTCOMES):
                submission = waiting.pop(str(commit.ticket), None)
                assert submission == landed.get(commit.trailers.get("Landed", ""), submission)
        names = self.place.git("ls-tree", "--name-only", "scriptorium/plan", "queue/merge/pending/").split()
        entries = [Path(name).stem for name in names if name.endswith(".md")]
        assert sorted(waiting) == sorted(entry.partition("-")[2][:4] for entry in entries)

    def _queued(self) -> dict[str, str]:
        """Plan commit -> the commit that it put into the queue."""
        text = self.place.git(
            "log",
            "-p",
            "--no-renames",
            "--diff-filter=A",
            "--format=%x1e%H",
            "scriptorium/plan",
            "--",
            "queue/merge/pending/*.md",
        )
        parts = [part.partition("\n") for part in text.split("\x1e") if part.strip()]
        return {oid: found[1] for oid, _, diff in parts if (found := _ENTRY.search(diff))}

    def _landed_trees_passed(self) -> None:
        """Every commit that landed has a tree that the check has told of."""
        passed = set(_text(self.place.aside / "passed").split())
        lines = self.place.git("log", "--first-parent", "--merges", "--format=%T", "main").split()
        assert set(lines) <= passed


@define
class Clutter:
    """How many files there are of what must not grow with the number of kills."""

    packs: int
    half_written: int
    locks: int
    worktrees: int
    state: int
    scratch: int

    @classmethod
    def of(cls, place: Place) -> Clutter:
        """Count them."""
        git_dir, state_dir = place.root / ".git", place.root / ".scriptorium"
        objects = [path.name for path in (git_dir / "objects").rglob("*")]
        return cls(
            packs=sum(name.endswith(".pack") for name in objects),
            half_written=sum(name.startswith("tmp_") for name in objects),
            locks=len(list(git_dir.rglob("*.lock"))),
            worktrees=sum(
                1 for parent in ("", "tickets") for _ in (state_dir / "worktrees" / parent).glob("*")
            ),
            state=_files(state_dir, but=("logs", "worktrees")),
            scratch=_files(place.aside / "tmp"),
        )


def assert_bounded(place: Place, kills: int) -> None:
    """What is there grows with the work, not with the kills; but for what is swept once it is a day old."""
    found = Clutter.of(place)
    assert found.packs <= PACKS * 3, found
    # One kill may leave what each thread was writing; and agents that outlived it write still.
    assert found.half_written <= kills * 2 + AT_ONCE, found
    assert found.locks <= AT_ONCE, found
    assert found.worktrees <= AT_ONCE * 4, found
    assert found.scratch == 0, found
    assert found.state <= _STATE_FILES, found


def assert_swept(place: Place) -> None:
    """A day after a service has ended well nothing half written is left, and no lock or pack too many."""
    objects = place.root / ".git" / "objects"
    a_day_ago = time.time() - LEFT_SECONDS - 1
    for path in (*objects.rglob("tmp_*"), *objects.glob("*.lock")):
        os.utime(path, (a_day_ago, a_day_ago))
    roll_up(place.root / ".git", packs=0)
    found = Clutter.of(place)
    assert (found.half_written, found.locks, found.scratch) == (0, 0, 0), found
    assert found.packs <= PACKS, found
    assert list(objects.rglob("*.keep")) == []
    assert list((place.root / ".scriptorium" / "scratch").iterdir()) == []


def _files(folder: Path, but: tuple[str, ...] = ()) -> int:
    return sum(path.is_file() for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in but)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
