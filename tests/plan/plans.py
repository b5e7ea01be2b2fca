"""Plans for the tests: a repository with a plan branch, and what a person or an agent would put there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pygit2
from attrs import field, frozen
from pygit2.enums import FileMode

from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import AreaName, Oid, TicketId
from scriptorium.plan.init import initialize
from scriptorium.plan.layout import KEEP, KEPT_FOLDERS
from scriptorium.plan.message import Message
from scriptorium.plan.notes import ReopenNote, ReopenReason, RunNote
from scriptorium.plan.recovery import RedBase
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateTickets,
    Enqueue,
    StartLanding,
    UpdateAreas,
    UpdateSpec,
)

CORE, DOCS = AreaName("core"), AreaName("docs")
OID_A, OID_B = Oid("a" * 40), Oid("b" * 40)
REOPENED = ReopenNote(reason=ReopenReason.CHECKS_FAILED, command="make test", exit_code=2, output_tail="boom")

EMPTY_PLAN = {"spec.md": b"Build it.\n"} | {f"{folder}/{KEEP}": b"" for folder in KEPT_FOLDERS}


def run_note(attempt: int = 1, *, counted: bool = True, detail: str = "") -> RunNote:
    """What an agent's run leaves."""
    return RunNote(
        outcome="no submission" if counted else "submitted",
        harness="command",
        attempt=attempt,
        counted=counted,
        started="2026-01-02T03:04:05Z",
        duration_seconds=12.5,
        log=f".scriptorium/logs/0001/{attempt}.jsonl",
        detail=detail,
    )


def red_base(commit: Oid = OID_A) -> RedBase:
    """A base branch whose checks fail."""
    return RedBase(
        branch="main",
        commit=commit,
        since="2026-01-02T03:04:05Z",
        command="make test",
        exit_code=2,
        log=".scriptorium/logs/base/check-1.log",
        output_tail="boom\n",
    )


def ticket_text(title: str = "Do it", *, area: str = "core", fields: str = "") -> str:
    """A ticket as it stands on the plan branch."""
    return f"# {title}\n\n**Area:** {area}\n{fields}\n{_body(title)}"


def draft_text(title: str = "Do it", *, fields: str = "") -> str:
    """A ticket as the Manager writes it."""
    return f"# {title}\n\n{fields}\n{_body(title)}" if fields else f"# {title}\n\n{_body(title)}"


def _body(title: str) -> str:
    return f"## Goal\n\n{title}, and well.\n\n## Acceptance Criteria\n\n- it works\n\n## Notes\n\nNone.\n"


@frozen
class RawEdit:
    """A transition that is none: whatever edits a test wants, under whatever message."""

    message: Message
    writes: Mapping[str, str] = field(factory=dict)
    removes: frozenset[str] = frozenset()

    def apply(self, snapshot: Snapshot) -> Edits:
        return Edits(self.message, self.writes, self.removes)


class Plan:
    """A repository with a plan branch, driven by the real transitions."""

    def __init__(self, root: Path) -> None:
        self.git_dir = root / ".git"
        self.root = root
        pygit2.init_repository(str(root), initial_head="main")
        initialize(self.git_dir, now=lambda: 1_700_000_000)
        self.repository = PlanRepository(self.git_dir, pause=lambda _seconds: None)

    @property
    def snapshot(self) -> Snapshot:
        return self.repository.read()

    def areas(self, *names: AreaName) -> Snapshot:
        """A spec, and areas made from it."""
        spec = self.repository.commit(UpdateSpec("Build it.\n")).spec
        assert spec is not None
        return self.repository.commit(UpdateAreas(spec.oid, {name: f"The {name}.\n" for name in names}))

    def tickets(self, area: AreaName = CORE, **drafts: str) -> Snapshot:
        """New tickets (text by slug, with _ for -) in an area that is there already."""
        snapshot = self.snapshot
        files = {f"{slug.replace('_', '-')}.md": text.encode() for slug, text in drafts.items()}
        checked = validate_drafts(area, files, snapshot)
        return self.repository.commit(CreateTickets(area, snapshot.areas[area].oid, checked, 0))

    def with_ticket(self) -> TicketId:
        """A plan with the one open ticket 0001."""
        self.areas(CORE)
        self.tickets(first=draft_text())
        return TicketId("0001")

    def assign(self, ticket: TicketId) -> Snapshot:
        name = f"scriptorium/ticket-{ticket}"
        return self.repository.commit(AssignTicket(ticket, name, f".scriptorium/worktrees/tickets/{ticket}"))

    def enqueue(self, ticket: TicketId, commit: Oid = OID_A) -> Snapshot:
        return self.repository.commit(Enqueue(ticket, f"scriptorium/ticket-{ticket}", commit, "Done.\nAll."))

    def land(self, ticket: TicketId) -> Snapshot:
        self.repository.commit(StartLanding(ticket))
        return self.repository.commit(CompleteTicket(ticket, OID_B))

    def git(self, *words: str, stdin: str | None = None) -> str:
        """What the git program says, with an identity of the user's."""
        env = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "A Person",
            "GIT_AUTHOR_EMAIL": "person@example.org",
            "GIT_COMMITTER_NAME": "A Person",
            "GIT_COMMITTER_EMAIL": "person@example.org",
        }
        argv = ["git", "-C", str(self.root), *words]
        done = subprocess.run(argv, env=env, input=stdin, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def files(self) -> dict[str, str]:
        """Every path on the plan branch, with the oid of its blob."""
        lines = self.git("ls-tree", "-r", PLAN_REF).splitlines()
        return {line.partition("\t")[2]: line.split()[2] for line in lines}

    def text(self, path: str) -> str:
        return self.git("show", f"{PLAN_REF}:{path}")

    def message(self) -> str:
        return self.git("log", "-1", "--format=%B", PLAN_REF)

    def length(self) -> int:
        return int(self.git("rev-list", "--count", PLAN_REF))

    def by_hand(
        self,
        writes: Mapping[str, bytes] | None = None,
        removes: tuple[str, ...] = (),
        *,
        message: str = "edited by hand",
        author: tuple[str, str] = ("A Person", "person@example.org"),
    ) -> Oid:
        """A commit by somebody else, which follows no rule; a value of `b"->..."` is a symbolic link."""
        repo = pygit2.Repository(str(self.git_dir))
        tip = repo.references[PLAN_REF].target
        index = pygit2.Index()
        index.read_tree(repo[tip].peel(pygit2.Tree))
        for path in removes:
            index.remove(path)
        for path, content in (writes or {}).items():
            mode = FileMode.LINK if content.startswith(b"->") else FileMode.BLOB
            index.add(pygit2.IndexEntry(path, repo.create_blob(content), mode))
        who = pygit2.Signature(*author, 1_700_000_000, 0)
        made = repo.create_commit(PLAN_REF, who, who, message, index.write_tree(repo), [tip])
        return Oid(str(made))
