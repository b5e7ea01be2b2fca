"""Repositories and plans for the tests of the command line, made by the plan's own transitions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pygit2

from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import AreaName, Oid, ticket_id
from scriptorium.plan.init import initialize
from scriptorium.plan.layout import TicketState
from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateTickets,
    Enqueue,
    ParkTicket,
    StartLanding,
    UpdateAreas,
    UpdateSpec,
)

WHO = pygit2.Signature("A Person", "person@example.org", 1_700_000_000, 0)


def commit(root: Path, files: Mapping[str, str], *, branch: str = "main") -> Oid:
    """Commit exactly these files in the top folder, on a repository that is made when it is not there."""
    made = (root / ".git").exists()
    git = pygit2.Repository(str(root)) if made else pygit2.init_repository(str(root), initial_head=branch)
    builder = git.TreeBuilder()
    for name, text in files.items():
        builder.insert(name, git.create_blob(text.encode()), pygit2.enums.FileMode.BLOB)
    parents = [] if git.head_is_unborn else [git.head.target]
    oid = git.create_commit("HEAD", WHO, WHO, "work", builder.write(), parents)
    git.reset(oid, pygit2.enums.ResetMode.HARD)
    return Oid(str(oid))


def plan_of(root: Path, slugs: int) -> PlanRepository:
    """A plan with one area and that many open tickets."""
    initialize(Path(pygit2.discover_repository(str(root)) or ""))
    plan = PlanRepository(root / ".git")
    spec = plan.commit(UpdateSpec("# A spec\n\nBuild it.\n")).spec
    assert spec is not None
    area = AreaName("core")
    snapshot = plan.commit(UpdateAreas(spec.oid, {area: "# Core\n"}))
    files = {f"ticket-{number}.md": _draft(number) for number in range(slugs)}
    drafts = validate_drafts(area, files, snapshot)
    plan.commit(CreateTickets(area, snapshot.areas[area].oid, drafts, 0))
    return plan


def _draft(number: int) -> bytes:
    return (
        f"# Ticket {number}\n\n**Priority:** high\n\n## Goal\n\nMake part {number}.\n\n"
        "## Acceptance Criteria\n\n- It works.\n- It is tested.\n\n## Notes\n\nNone.\n"
    ).encode()


def move(plan: PlanRepository, number: int, state: TicketState, *, queued: bool = False) -> None:
    """Bring an open ticket to a state, by the transitions that do so."""
    ticket = ticket_id(number)
    branch, oid = f"scriptorium/ticket-{ticket}", Oid("1" * 40)
    plan.commit(AssignTicket(ticket, branch, f".scriptorium/worktrees/tickets/{ticket}"))
    if state is TicketState.STUCK:
        plan.commit(ParkTicket(ticket, ReopenNote(reason=ReopenReason.CONFLICT, detail="no")))
    if queued or state is TicketState.DONE:
        plan.commit(Enqueue(ticket, branch, oid, "Did it."))
    if state is TicketState.DONE:
        plan.commit(StartLanding(ticket))
        plan.commit(CompleteTicket(ticket, oid))
