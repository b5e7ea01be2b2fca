"""A command that changes the plan: opens it, and says in words for people why a change was not made."""

from __future__ import annotations

from scriptorium.cli.failure import Failure
from scriptorium.cli.place import no_plan
from scriptorium.code.repository import Project
from scriptorium.plan.edits import FolderBlocked
from scriptorium.plan.refs import RefError, enable_fsync
from scriptorium.plan.repository import InvariantBroken, PlanBusy, PlanMissing, PlanRepository
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import PreconditionFailed, Transition


def open_plan(project: Project) -> tuple[PlanRepository, Snapshot]:
    """The plan, for durable changes, and what it says now; raises Failure when there is none."""
    enable_fsync()
    plan = PlanRepository(project.git_dir)
    try:
        return plan, plan.read()
    except PlanMissing as error:
        raise no_plan(project) from error
    except RefError as error:
        raise Failure(str(error)) from error


def commit(project: Project, plan: PlanRepository, transition: Transition, not_done: str) -> Snapshot:
    """Carry out `transition`; raises Failure, `not_done` and the reason, when nothing was changed."""
    try:
        return plan.commit(transition)
    except PlanMissing as error:
        raise no_plan(project) from error
    except (PlanBusy, PreconditionFailed, InvariantBroken, FolderBlocked, RefError) as error:
        raise Failure(f"{not_done}: {error}") from error
