"""What checking makes and landing needs: verdicts on trees, kept across restarts, and the proof that
a tree passed. A verdict is about a tree and a list of commands; where it was reached does not matter.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, final

from attrs import field, frozen

from scriptorium.code.verdict import (
    EVIDENCE_ID,
    CheckCommand,
    Flake,
    Result,
    Verdict,
    checks_key,
    evidence_id,
    file_stem,
    read_verdict,
    render_verdict,
    short_id,
)
from scriptorium.plan.ids import Oid

if TYPE_CHECKING:  # `status` reads verdicts and merges nothing
    from scriptorium.code.merge import Merged

__all__ = [
    "CheckCommand",
    "Evidence",
    "Flake",
    "NotEvidence",
    "Result",
    "Verdict",
    "VerdictStore",
    "checks_key",
    "evidence_for",
    "evidence_id",
]

KEPT_VERDICTS: Final = 1000
"""A few MB at most, and far more trees than are of interest at one time."""
SLACK: Final = 1 / 8
"""By how much of the bound there may be more: a listing of all for each verdict would cost more than it."""


class NotEvidence(ValueError):
    """A verdict does not prove what was to be landed: it is red, or on another tree. The caller's fault."""


@final
@frozen(init=False)
class Evidence:
    """Proof that `tree`, the merge of `base` and `submission`, passed: what landing asks for.

    There is no constructor; `evidence_for` makes it.
    """

    base: Oid
    submission: Oid
    tree: Oid
    verdict: Verdict = field(repr=False)

    def __init__(self) -> None:
        raise TypeError("Evidence comes from evidence_for() only")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("Evidence has no subclasses")


def evidence_for(merged: Merged, verdict: Verdict) -> Evidence:
    """The proof that `merged` may land.

    Raises:
        NotEvidence: the verdict is red, or about another tree.
    """
    if verdict.result is not Result.GREEN:
        raise NotEvidence(f"tree {verdict.tree} did not pass its checks")
    if verdict.tree != merged.tree:
        raise NotEvidence(f"the verdict is on tree {verdict.tree}, the merge is tree {merged.tree}")
    evidence = object.__new__(Evidence)
    evidence.__attrs_init__(merged.base, merged.submission, merged.tree, verdict)
    return evidence


class VerdictStore:
    """Verdicts in the folder `directory`, a file each, of which the newest `kept` stay, and few others.

    Losing the folder costs running checks again, so a file that cannot be read counts as absent. With
    `fsync` a verdict that `put` returned from outlives a power cut.
    """

    def __init__(self, directory: Path, *, kept: int = KEPT_VERDICTS, fsync: bool = True) -> None:
        if kept < 1:
            raise ValueError("at least one verdict must be kept")
        self._directory = directory
        self._kept = kept
        self._fsync = fsync
        self._room = 0
        self._writing = threading.Lock()

    def get(self, tree: Oid, checks_key: str) -> Verdict | None:
        """The verdict of these checks on `tree`, or None when it is not known."""
        try:
            verdict = read_verdict(self._path(tree, checks_key))
        except ValueError:  # no tree's id
            return None
        return verdict if verdict and (verdict.tree, verdict.checks_key) == (tree, checks_key) else None

    def find(self, evidence: str) -> Verdict | None:
        """The verdict of that `evidence_id`, or None: it is not known, too old, or not such an id.

        Looks through the names of all files, and reads one.
        """
        if not EVIDENCE_ID.fullmatch(evidence):
            return None
        found = [path for path in self._directory.glob("*.json") if short_id(path.stem) == evidence]
        return read_verdict(found[0]) if found else None

    def put(self, verdict: Verdict) -> None:
        """Keep `verdict` in place of an earlier one; past the bound the oldest others are dropped.

        Raises `OSError` when it cannot be written; an earlier verdict is then still there.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(verdict.tree, verdict.checks_key)
        temporary = path.with_suffix(".new")
        # What was found ahead may be stored still when the same is found in its turn.
        with self._writing:
            with temporary.open("wb") as file:
                file.write(render_verdict(verdict))
                file.flush()
                if self._fsync:
                    os.fsync(file.fileno())
            temporary.replace(path)
        if self._fsync:
            _sync_folder(self._directory)
        self._drop_oldest(keep=path)

    def _path(self, tree: Oid, checks_key: str) -> Path:
        return self._directory / f"{file_stem(tree, checks_key)}.json"

    def _drop_oldest(self, *, keep: Path) -> None:
        """Look whether there are too many, but only when as many were put as there was room for."""
        if self._room > 0:
            self._room -= 1
            return
        others = [path for path in self._directory.glob("*.json") if path != keep]
        slack = int(self._kept * SLACK)
        excess = len(others) + 1 - self._kept
        if excess > slack:
            for path in sorted(others, key=_written)[:excess]:
                path.unlink(missing_ok=True)
            excess = 0
        self._room = slack - excess


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _sync_folder(directory: Path) -> None:
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
