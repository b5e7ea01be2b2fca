"""Reads the plan branch of one repository as snapshots: all that a command needs which changes nothing.

Kept apart from the writing side, which `status` must not pay for at start-up.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pygit2

from scriptorium.plan.ids import Oid
from scriptorium.plan.objects import GitObjects, open_repository
from scriptorium.plan.reader import SnapshotReader
from scriptorium.plan.ref_sight import RefSight
from scriptorium.plan.refs import PLAN_REF, RefError, read_ref
from scriptorium.plan.snapshot import Given, Snapshot

if TYPE_CHECKING:
    from scriptorium.plan.history import History


COMMITS_BETWEEN_CLOSING: Final = 64
"""After so many commits, what libgit2 has open is closed. It keeps every pack that it has ever found, gone or
not, and a plan commit is a pack: a service would run out of files."""


class PlanMissing(Exception):
    """The repository has no plan branch."""

    def __init__(self, git_dir: Path) -> None:
        super().__init__(f"{git_dir} has no branch scriptorium/plan: run scriptorium --init")


class PlanReader:
    """The plan branch in `git_dir` (the common one, for a linked worktree). For any thread.

    `clock` gives seconds, of any beginning, that only rise.
    """

    def __init__(self, git_dir: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._git_dir = git_dir
        self._lock = threading.Lock()
        self._repo = open_repository(git_dir)
        self._objects = GitObjects(git_dir)
        self._reader = SnapshotReader(self._objects)
        self._history: History | None = None
        self._sight = RefSight(git_dir, PLAN_REF, clock)
        self._last: Snapshot | None = None
        self._commits_seen = 0

    def tip(self) -> Oid | None:
        """Where the plan branch stands; None when there is none."""
        with self._lock:
            return self._tip()

    def read(self) -> Snapshot:
        """The plan as it is now; the same object as last time when nothing has changed.

        That is known for two system calls, once nothing has changed for some seconds.

        Raises:
            PlanMissing: there is no plan branch.
            RefError: its ref is damaged.
            ObjectMissing: the repository lacks an object of the plan's.
        """
        with self._lock:
            return self._read()

    def _read(self) -> Snapshot:
        mark = self._sight.look()
        if self._last is not None and self._sight.is_as_read(mark):
            return self._last
        tip = self._tip()
        if tip is None:
            raise PlanMissing(self._git_dir)
        snapshot = self._last
        if snapshot is None or snapshot.commit != tip:
            tree = self._objects.commit(tip).tree
            snapshot = self._reader.read(tip, tree, self._numbers_later(tip))
            self._came_to(snapshot)
        self._sight.was_read(mark)
        return snapshot

    def _tip(self) -> Oid | None:
        try:
            return read_ref(self._repo, PLAN_REF)
        except RefError:
            self._reopen()
            raise

    def _reopen(self) -> None:
        # What libgit2 could not look at once, packed refs or a folder of objects, may never be there for it
        # again in a repository that it has open.
        with contextlib.suppress(pygit2.GitError, OSError):
            self._repo = open_repository(self._git_dir)

    def _came_to(self, snapshot: Snapshot) -> None:
        self._last = snapshot
        self._commits_seen += 1
        if self._commits_seen % COMMITS_BETWEEN_CLOSING == 0:
            self._repo.free()
            self._objects.close_packs()

    def _numbers_later(self, commit: Oid) -> partial[Given]:
        return partial(self._numbers, commit)

    def _numbers(self, commit: Oid) -> Given:
        if self._history is None:
            from scriptorium.plan.history import History  # noqa: PLC0415 - only who numbers needs it

            self._history = History(self._objects)
        return self._history.numbers(commit)
