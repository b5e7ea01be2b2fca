"""What a service looks over before it begins: can it work with the plan, and what must be said of it?"""

from __future__ import annotations

from pathlib import Path

from scriptorium.plan._audit_tree import faults_of_tree, stops_all_work
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.snapshot import Snapshot


class PlanUnusable(Exception):
    """Nothing can be committed to the plan as it is; the text says why, and what to do about it."""


def look_over(git_dir: Path, snapshot: Snapshot) -> str | None:
    """What is wrong with the tree of `snapshot`, in one line, or None. Done tickets are not read.

    Raises:
        PlanUnusable: no transition could be committed.
        ObjectMissing: the repository is damaged.
    """
    faults = [
        fault for fault in faults_of_tree(GitObjects(git_dir), snapshot, done_too=False) if not fault.note
    ]
    for fault in faults:
        if stops_all_work(fault):
            raise PlanUnusable(
                f"the plan branch cannot be worked with: {fault.path}: {fault.message};"
                " scriptorium check says what else is wrong"
            )
    if not faults:
        return None
    first, others = faults[0], len(faults) - 1
    more = f", and {others} more" if others else ""
    return (
        f"the plan branch is not sound: {first.path}: {first.message}{more};"
        " work goes on, and `scriptorium check` names it all"
    )
