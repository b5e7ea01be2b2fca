"""Reads the plan branch of one repository as snapshots: all that a command needs which changes nothing.

Kept apart from the writing side, which `status` must not pay for at start-up.
"""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scriptorium.plan.ids import Oid
from scriptorium.plan.objects import GitObjects, open_repository
from scriptorium.plan.reader import SnapshotReader
from scriptorium.plan.refs import PLAN_REF, read_ref
from scriptorium.plan.snapshot import Numbers, Snapshot

if TYPE_CHECKING:
    from scriptorium.plan.history import History


class PlanMissing(Exception):
    """The repository has no plan branch."""

    def __init__(self, git_dir: Path) -> None:
        super().__init__(f"{git_dir} has no branch scriptorium/plan: run scriptorium --init")


class PlanReader:
    """The plan branch in `git_dir` (the common one, for a linked worktree). For any thread."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir
        self._lock = threading.Lock()
        self._repo = open_repository(git_dir)
        self._objects = GitObjects(git_dir)
        self._reader = SnapshotReader(self._objects)
        self._history: History | None = None
        self._last: Snapshot | None = None

    def tip(self) -> Oid | None:
        """Where the plan branch stands; None when there is none."""
        with self._lock:
            return read_ref(self._repo, PLAN_REF)

    def read(self) -> Snapshot:
        """The plan as it is now; the same object as last time when nothing has changed.

        Raises:
            PlanMissing: there is no plan branch.
            RefError: its ref is damaged.
            ObjectMissing: the repository lacks an object of the plan's.
        """
        with self._lock:
            return self._read()

    def _read(self) -> Snapshot:
        tip = read_ref(self._repo, PLAN_REF)
        if tip is None:
            raise PlanMissing(self._git_dir)
        if self._last is None or self._last.commit != tip:
            tree = self._objects.commit(tip).tree
            self._last = self._reader.read(tip, tree, self._numbers_later(tip))
        return self._last

    def _numbers_later(self, commit: Oid) -> partial[Numbers]:
        return partial(self._numbers, commit)

    def _numbers(self, commit: Oid) -> Numbers:
        if self._history is None:
            from scriptorium.plan.history import History  # noqa: PLC0415 - only who numbers needs it

            self._history = History(self._objects)
        return self._history.numbers(commit)
