"""Makes the plan branch: an orphan branch of one commit. HEAD, index and working tree are not looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from scriptorium.plan.edits import Edits, write_tree
from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import KEEP, KEPT_FOLDERS, SPEC
from scriptorium.plan.message import Kind, Message
from scriptorium.plan.objects import GitObjects, open_repository
from scriptorium.plan.refs import PLAN_REF, RefError, RefLocked, RefMoved, compare_and_swap, read_ref
from scriptorium.plan.repository import stage_commit
from scriptorium.plan.spec import PLACEHOLDER
from scriptorium.plan.staging import StagedObjects


class PlanExists(Exception):
    """The repository has a plan branch already; it was not touched."""

    def __init__(self, git_dir: Path) -> None:
        super().__init__(f"{git_dir} has a branch scriptorium/plan already: scriptorium run goes on with it")


def initialize(git_dir: Path, *, now: Callable[[], float] = time.time) -> Oid:
    """Make the plan branch in `git_dir`, with an empty plan; returns its one commit.

    Raises:
        PlanExists: there is one, or another process was faster.
        RefError: the branch cannot be made; the message says what is in the way.
    """
    repo = open_repository(git_dir)
    if read_ref(repo, PLAN_REF) is not None:
        raise PlanExists(git_dir)
    beneath = sorted(name for name in repo.references if name.startswith(f"{PLAN_REF}/"))
    if beneath:
        raise RefError(f"{PLAN_REF} cannot be made while {beneath[0]} exists: rename that branch")
    files = {SPEC: PLACEHOLDER} | {f"{folder}/{KEEP}": "" for folder in KEPT_FOLDERS}
    edits = Edits(Message(Kind.INITIALIZE), files)
    objects = StagedObjects(git_dir, GitObjects(git_dir))
    commit = stage_commit(objects, write_tree(objects, None, edits), (), edits.message, now())
    objects.write()
    try:
        compare_and_swap(repo, PLAN_REF, new=commit, old=None, message="scriptorium")
    except (RefMoved, RefLocked) as error:
        # Another process that is making it holds the lock for a moment; a lock that stays is named.
        if read_ref(repo, PLAN_REF) is None:
            raise
        raise PlanExists(git_dir) from error
    finally:
        objects.let_go()
    return commit
