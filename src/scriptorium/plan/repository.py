"""The plan branch of one repository: read as snapshots, changed by transitions, without a working tree.

A commit is made of objects first and one compare-and-swap of the ref last: a crash leaves the old state or
the new one. When another writer was faster, the transition is decided afresh on what is there now.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from scriptorium.plan.edits import write_tree
from scriptorium.plan.ids import Oid
from scriptorium.plan.invariants import InvariantBroken, check_edits, check_invariants
from scriptorium.plan.layout import AUTHOR
from scriptorium.plan.message import Message
from scriptorium.plan.objects import open_repository
from scriptorium.plan.pack import ObjectKind
from scriptorium.plan.packing import PACKS, roll_up
from scriptorium.plan.reader import SnapshotReader
from scriptorium.plan.reading import PlanMissing, PlanReader
from scriptorium.plan.refs import PLAN_REF, RefError, RefLocked, RefMoved, compare_and_swap, decide_and_swap
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.staging import StagedObjects
from scriptorium.plan.transitions import Transition

__all__ = ["InvariantBroken", "PlanBusy", "PlanMissing", "PlanRepository"]

MAX_TRIES: Final = 60
"""With the pauses below: about two seconds of losing every race, or of a lock that nobody releases."""

FREE_TRIES: Final = 12
"""After so many, about a quarter of a second, the ref is locked first: faster writers would win for ever."""

FIRST_PAUSE_SECONDS: Final = 0.001
LONGEST_PAUSE_SECONDS: Final = 0.08

_SAYS: Final = "scriptorium"
"""In the reflog."""

MAX_COMMITS_SINCE: Final = 10_000
"""How far back a commit of ours is looked for when the outcome of its ref update is in doubt."""


class PlanBusy(Exception):
    """Other writers, or a lock file, kept the plan branch from being changed. Nothing was changed."""


class _Made(NamedTuple):
    """A commit that was made, or the same snapshot twice when there was nothing to do."""

    before: Snapshot
    after: Snapshot
    message: Message


class PlanRepository(PlanReader):
    """The plan branch in `git_dir` (the common one, for a linked worktree). For any thread.

    `now` gives the time of a commit in seconds since the epoch; `pause` waits for that many seconds between
    two tries; `fraction` gives a random number from 0 to 1, for the length of a pause; `clock` is as for a
    `PlanReader`.
    """

    def __init__(
        self,
        git_dir: Path,
        *,
        now: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
        fraction: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(git_dir, clock=clock)
        self._staged = StagedObjects(git_dir, self._objects)
        self._reader = SnapshotReader(self._staged)
        self._packs_written = PACKS
        self._now = now
        self._pause = pause
        self._fraction = fraction

    def commit(self, transition: Transition) -> Snapshot:
        """Carry out `transition` as one commit; returns the plan as that commit leaves it.

        A transition that changes nothing makes no commit. On a branch that moved it is applied afresh.

        Raises:
            PlanMissing: there is no plan branch.
            PreconditionFailed: the transition does not apply to the plan as it is.
            InvariantBroken: it would damage the plan.
            PlanBusy: other writers were faster every time, or a lock file stays.
            FolderBlocked: a file is in the way of a folder of the layout.
            RefError: the ref could not be written, and stands where it stood.
            OSError: the objects could not be written, as on a full disk. Nothing was changed.
        """
        with self._lock:
            blocked: Exception | None = None
            for tried in range(MAX_TRIES):
                if tried:
                    self._wait(tried)
                try:
                    made = self._try(transition, locked=tried >= FREE_TRIES)
                except (RefMoved, RefLocked) as error:
                    blocked = error
                    continue
                if made.after is not made.before:
                    self._came_to(made.after)
                    if self._history is not None:
                        self._history.grew(made.before.commit, made.after.commit, made.message)
                return made.after
            left = (
                "; `scriptorium run` removes one that a kill has left"
                if isinstance(blocked, RefLocked)
                else ""
            )
            raise PlanBusy(
                f"the plan branch could not be changed in {MAX_TRIES} tries: {blocked}{left}"
            ) from blocked

    @property
    def wants_packing(self) -> bool:
        """Whether enough was committed since the last `roll_up` for another to be worth a look."""
        return self._packs_written >= PACKS

    def roll_up(self) -> None:
        """Roll up the small packs that commits leave, beside commits and readers; as `packing.roll_up`."""
        written, self._packs_written = self._packs_written, 0
        if roll_up(self._git_dir) is None:
            self._packs_written += written

    def _try(self, transition: Transition, *, locked: bool) -> _Made:
        """Make the commit on what is there now; raises `RefMoved` and `RefLocked` when another was faster."""
        try:
            return self._make_locked(transition) if locked else self._make(transition)
        except (RefMoved, RefLocked):
            raise
        except RefError:
            self._reopen()
            raise
        finally:
            self._staged.let_go()

    def _make(self, transition: Transition) -> _Made:
        before = self._read()
        made = _Made(before, *self._write(before, transition))
        if made.after is not before:
            self._sight.forget()
            self._advance(made)
        return made

    def _make_locked(self, transition: Transition) -> _Made:
        """Lock the ref, and only then look where it is and what is to be done: nobody can be faster.

        A kill leaves the same lock as in the moment of any other update, and the next start removes it.
        """
        made: list[_Made] = []

        def decide() -> tuple[Oid, Oid]:
            before = self._read()
            made.append(_Made(before, *self._write(before, transition)))
            self._sight.forget()
            return made[0].after.commit, before.commit

        repo = open_repository(self._git_dir)  # reading may close what the other one has open
        try:
            decide_and_swap(repo, PLAN_REF, decide, message=_SAYS)
        except RefMoved as error:
            if not made or not self._has_landed(error, made[0]):
                raise
        finally:
            repo.free()
        return made[0]

    def _write(self, before: Snapshot, transition: Transition) -> tuple[Snapshot, Message]:
        """Write the objects of the commit, which no ref has yet; returns `before` when nothing changes."""
        try:
            after, message = self._prepare(before, transition)
            if after is not before:
                self._staged.write()
                self._packs_written += 1
            return after, message
        finally:
            self._staged.discard()

    def _prepare(self, before: Snapshot, transition: Transition) -> tuple[Snapshot, Message]:
        """Stage the objects of the commit, and check them; returns `before` when nothing changes."""
        edits = transition.apply(before)
        check_edits(edits)
        tree = write_tree(self._staged, before.tree, edits)
        if tree == before.tree:
            return before, edits.message
        commit = stage_commit(self._staged, tree, (before.commit,), edits.message, self._now())
        after = self._reader.read(commit, tree, self._numbers_later(commit))
        check_invariants(before, after, edits)
        return after, edits.message

    def _advance(self, made: _Made) -> None:
        """Move the ref; raises `RefMoved` or `RefLocked` when our commit is not in the branch."""
        new = made.after.commit
        try:
            compare_and_swap(
                self._repo,
                PLAN_REF,
                new=new,
                old=made.before.commit,
                message=_SAYS,
                is_there=lambda: self._staged.is_written(new),
            )
        except RefMoved as error:
            if not self._has_landed(error, made):
                raise

    def _has_landed(self, error: RefMoved, made: _Made) -> bool:
        """An update can fail after the ref moved, and another writer build on it before we look."""
        return error.in_doubt and self._contains(error.tip, made.after.commit, made.before.commit)

    def _contains(self, tip: Oid | None, commit: Oid, until: Oid) -> bool:
        here = tip
        for _ in range(MAX_COMMITS_SINCE):
            if here is None or here == until:
                return False
            if here == commit:
                return True
            parents = self._objects.commit(here).parents
            here = parents[0] if parents else None
        return False

    def _wait(self, tried: int) -> None:
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tried, 10))
        self._pause(longest * self._fraction())


def stage_commit(
    objects: StagedObjects, tree: Oid, parents: tuple[Oid, ...], message: Message, now: float
) -> Oid:
    """Stage a commit by scriptorium; no ref moves."""
    who = f"{AUTHOR} {int(now)} +0000"
    lines = [
        f"tree {tree}",
        *(f"parent {parent}" for parent in parents),
        f"author {who}",
        f"committer {who}",
        "",
        message.render(),
    ]
    return objects.stage(ObjectKind.COMMIT, "\n".join(lines).encode())
