"""What others than scriptorium have just committed to the plan branch, for a service that must obey it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from scriptorium.plan._audit_by_hand import faults_by_hand
from scriptorium.plan._audit_steps import steps_back
from scriptorium.plan._audit_undone import past
from scriptorium.plan.audit import Finding, Severity
from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import AUTHOR
from scriptorium.plan.objects import GitObjects, ObjectMissing

MOST_COMMITS: Final = 20
"""So many commits of others are looked at, the newest; `scriptorium check` has them all."""

LOOK_BACK: Final = 5_000


def changed_by_hand(git_dir: Path, tip: Oid, since: Oid | None) -> tuple[Finding, ...]:
    """The findings about the commits of others after `since`, up to `tip`, oldest first.

    Without `since`: about those on top of the newest commit of scriptorium's, which no run has seen. What a
    person may do is not among them, unless it undoes a transition. Raises `ObjectMissing`.
    """
    objects = GitObjects(git_dir)
    found: list[Finding] = []
    for commit in reversed(_by_others(objects, tip, since)):
        back = steps_back(objects, commit)
        step = next(back, None)
        if step is None:
            continue  # the first of all, or the end of a shallow clone: there is nothing to compare it with
        for fault in faults_by_hand(step, map(past, back)):
            finding = Finding.of(fault, commit)
            if finding.severity is Severity.ERROR or finding.rule == "undoes-transitions":
                found.append(finding)
    return tuple(found)


def _by_others(objects: GitObjects, tip: Oid, since: Oid | None) -> list[Oid]:
    """The newest commits that scriptorium did not make, newest first."""
    found: list[Oid] = []
    here = tip
    for _ in range(LOOK_BACK):
        if here == since or len(found) == MOST_COMMITS:
            break
        try:
            facts = objects.commit(here)
        except ObjectMissing:
            if here == tip:
                raise
            break  # a shallow clone ends here
        own = facts.author == facts.committer == AUTHOR
        if own and since is None:
            break
        if not own:
            found.append(here)
        if not facts.parents:
            break
        here = facts.parents[0]
    return found
