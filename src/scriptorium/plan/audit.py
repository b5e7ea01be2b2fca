"""Looks over the whole plan branch: its tree, and each commit of its history against the transition that it
says it is. Changes nothing, takes no lock, and holds no more of the history than it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Final

from attrs import converters, field, frozen

from scriptorium.plan._audit_ledger import Ledger
from scriptorium.plan._audit_rules import Fault
from scriptorium.plan._audit_steps import read_line, steps
from scriptorium.plan._audit_tree import faults_of_tree, unmarked_areas
from scriptorium.plan._text import printable
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.mending import possible_repairs
from scriptorium.plan.objects import GitObjects, open_repository
from scriptorium.plan.reader import SnapshotReader
from scriptorium.plan.reading import PlanMissing
from scriptorium.plan.refs import PLAN_REF, read_ref
from scriptorium.plan.repair import Repair
from scriptorium.plan.snapshot import Numbers, Snapshot

MAX_FINDINGS: Final = 10_000
"""A branch with more wrong than this is not a plan branch."""

_LONGEST_TEXT: Final = 2_000
"""Characters of a path or a message: git bounds neither."""


class Severity(StrEnum):
    """Whether a finding is a fault, or merely worth knowing."""

    ERROR = "error"
    NOTE = "note"


def _shown(text: str) -> str:
    return printable(text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…")


@frozen
class Finding:
    """One thing that the audit says: which rule, in which commit, about which file."""

    severity: Severity
    rule: str
    message: str = field(converter=_shown)
    commit: Oid | None = None
    path: str | None = field(default=None, converter=converters.optional(_shown))

    @classmethod
    def of(cls, fault: Fault, commit: Oid | None = None) -> Finding:
        """What a fault is to whoever reads the audit."""
        severity = Severity.NOTE if fault.note else Severity.ERROR
        return cls(severity, fault.rule, fault.message, commit, fault.path)

    def __str__(self) -> str:
        where = " ".join(part for part in (self.commit and self.commit[:12], self.path) if part)
        return f"{self.severity}: {where or 'plan branch'}: {self.message} ({self.rule})"


def _silent(_done: int, _total: int) -> None:
    """No progress is told."""


class Audit:
    """One look at the plan branch as it stands when this is made; what others commit later is not seen.

    Raises:
        PlanMissing: there is no plan branch.
        RefError: its ref is damaged.
        ObjectMissing: the repository is damaged; the methods raise it too.
    """

    def __init__(self, git_dir: Path) -> None:
        tip = read_ref(open_repository(git_dir), PLAN_REF)
        if tip is None:
            raise PlanMissing(git_dir)
        self._git_dir = git_dir
        self._objects = GitObjects(git_dir)
        self._ledger = Ledger()
        self.commit = tip
        self.commits = 0
        """How many commits `history` has looked at."""
        self.snapshot: Snapshot = SnapshotReader(self._objects).read(
            tip, self._objects.commit(tip).tree, Numbers
        )

    def tree(self) -> Iterator[Finding]:
        """The findings about the plan as it is now."""
        return map(Finding.of, faults_of_tree(self._objects, self.snapshot, done_too=True))

    def history(self, progress: Callable[[int, int], None] = _silent) -> Iterator[Finding]:
        """The findings about the commits, oldest first; `progress` is told how many of how many are done."""
        line = read_line(self._git_dir, self._objects, self.commit)
        for number, step in enumerate(steps(self._objects, line)):
            progress(number, len(line))
            self.commits += 1
            for fault in self._ledger.look_at(step):
                yield Finding.of(fault, step.commit)
        progress(len(line), len(line))
        # The tree alone cannot tell a marker that was lost from one that was never there.
        yield from map(Finding.of, unmarked_areas(self.snapshot, self._ledger.marked))

    def possible_repairs(self) -> tuple[Repair, ...]:
        """What `mending.mend` could put right in the plan as it is here."""
        return possible_repairs(self._objects, self.snapshot)

    @property
    def landed(self) -> Mapping[Oid, tuple[Oid, TicketId]]:
        """The commits that landed, as `history` says: each with the commit that says so and its ticket."""
        return self._ledger.landed


def audit_history(git_dir: Path) -> tuple[Finding, ...]:
    """Every finding about the plan branch in `git_dir`: of its history, oldest first, then of its tree.

    Raises what `Audit` raises.
    """
    audit = Audit(git_dir)
    return tuple(islice(chain(audit.history(), audit.tree()), MAX_FINDINGS))
