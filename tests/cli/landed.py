"""A repository in which one ticket has landed, with all that leads back to it; made without any agent."""

from __future__ import annotations

from pathlib import Path

import pygit2
from attrs import frozen

from scriptorium.actors.landing_message import landing_message
from scriptorium.code.evidence import CheckCommand, Result, Verdict, VerdictStore, checks_key, evidence_id
from scriptorium.code.repository import signature
from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import AreaName, Oid, TicketId
from scriptorium.plan.init import initialize
from scriptorium.plan.notes import RunNote
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateTickets,
    Enqueue,
    RecordRun,
    StartLanding,
    UpdateAreas,
    UpdateSpec,
)

from .planned import commit

SPEC = (
    "# A tool\n\nIt has two parts.\n\n## Parsing\n\nThe parser reads line by line.\n\n"
    "## Printing\n\nIn colour.\n"
)
DRAFT = (
    "# Add a parser\n\n## Goal\n\nRead line by line.\n\n## Acceptance Criteria\n\n- It reads.\n\n"
    "## Notes\n\nNone.\n"
)
ONE = TicketId("0001")
HOSTILE = "evil\x1b]0;owned\x07\u202etxt\n"
RUN = RunNote(
    outcome="submitted",
    harness="codex",
    model="gpt-5.1",
    attempt=2,
    counted=False,
    started="2026-01-02T03:04:05Z",
    duration_seconds=61.5,
    tokens_in=1000,
    tokens_out=200,
    log=".scriptorium/logs/0001/2.jsonl",
)
CHECKS = (CheckCommand("make test"),)


@frozen
class Landed:
    """A repository in which ticket 0001 has landed as `commit`, by which `parser.py` has a second line."""

    root: Path
    first: Oid
    commit: Oid
    verdict: Verdict


def make_landed(root: Path) -> Landed:
    """Make it at `root`, which is not there yet."""
    first = commit(root, {"Makefile": "test:\n\t@true\n", "parser.py": "one\n", "evil\x1b.txt": HOSTILE})
    initialize(root / ".git")
    plan = PlanRepository(root / ".git")
    spec = plan.commit(UpdateSpec(SPEC)).spec
    assert spec is not None
    area = AreaName("reading")
    snapshot = plan.commit(
        UpdateAreas(spec.oid, {area: "# Reading\n\nThe parser reads a file line by line.\n"})
    )
    drafts = validate_drafts(area, {"parser.md": DRAFT.encode()}, snapshot)
    plan.commit(CreateTickets(area, snapshot.areas[area].oid, drafts, 0))
    plan.commit(AssignTicket(ONE, "scriptorium/ticket-0001", ".scriptorium/worktrees/tickets/0001"))
    plan.commit(RecordRun(ONE, RUN))
    git = pygit2.Repository(str(root))
    builder = git.TreeBuilder(git[first].peel(pygit2.Tree))
    builder.insert("parser.py", git.create_blob(b"one\n\ttwo\n"), pygit2.enums.FileMode.BLOB)
    tree, base = builder.write(), pygit2.Oid(hex=first)
    work = git.create_commit(None, signature(), signature(), "work", tree, [base])
    plan.commit(Enqueue(ONE, "scriptorium/ticket-0001", Oid(str(work)), "Added it.\n\nTicket: 0666"))
    snapshot = plan.commit(StartLanding(ONE))
    verdict = Verdict(
        tree=Oid(str(tree)),
        checks_key=checks_key(CHECKS),
        result=Result.GREEN,
        log=".scriptorium/logs/0001/check-1.log",
        duration_seconds=1.25,
        finished="2026-01-02T04:05:06Z",
        checks=("make test",),
    )
    VerdictStore(root / ".scriptorium" / "verdicts", fsync=False).put(verdict)
    message = landing_message(snapshot.tickets[ONE], snapshot.pending[0], evidence_id(verdict))
    landed = git.create_commit(None, signature(), signature(), message, tree, [base, work])
    git.references.create("refs/heads/main", landed, force=True)
    git.reset(landed, pygit2.enums.ResetMode.HARD)
    plan.commit(CompleteTicket(ONE, Oid(str(landed))))
    # What the plan says now is not what the ticket was made from.
    plan.commit(UpdateSpec("# Another tool\n\nLine by line, the parser reads.\n"))
    return Landed(root, first, Oid(str(landed)), verdict)
