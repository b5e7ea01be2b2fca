"""The merge of the base that scriptorium left open in a worktree for the agent to resolve.

Git remembers it as MERGE_HEAD, which many git commands drop; scriptorium keeps its two sides in a file beside
it as well. All of it is the agent's to write, so it is believed only where the commits bear it out.
"""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

import pygit2
from attrs import frozen
from pygit2.enums import FileMode
from pygit2.index import IndexEntry

from scriptorium.code.nofollow import read_small
from scriptorium.code.scan import Entries, entries_of, tree_entries
from scriptorium.plan.ids import InvalidName, Oid, parse_oid

_MEMO = "scriptorium-merge"
_LIMIT_BYTES = 4096
_MARKERS = (b"<<<<<<< ", b">>>>>>> ")
_SHOWN_FILES = 10

_MERGE_FILES = ("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "AUTO_MERGE")
"""What an open merge consists of, in a worktree's own git directory."""

_FOREIGN = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "sequencer": "cherry-pick or revert",
}


@frozen
class LeftMerge:
    """A merge of `theirs`, a commit of the base, into `ours`; `is_open` while MERGE_HEAD stands."""

    ours: Oid
    theirs: Oid
    is_open: bool


class Resolution(Enum):
    """What an agent made of a merge that it did not commit."""

    TAKEN = "the content has both sides"
    ABANDONED = "the content is as if there had been no merge"


class HalfUndone(Exception):
    """Some files are as they were before the merge: landing this would take the base's changes back."""

    def __init__(self, files: tuple[str, ...]) -> None:
        shown = ", ".join(files[:_SHOWN_FILES]) + (", …" if len(files) > _SHOWN_FILES else "")
        super().__init__(shown)
        self.files = files


def remember(own_dir: Path, ours: Oid, theirs: Oid) -> None:
    """Keep the two sides of the merge that is about to be left open."""
    (own_dir / _MEMO).write_text(f"{ours} {theirs}\n")


def end_merge(repo: pygit2.Repository, own_dir: Path, commit: Oid) -> None:
    """Forget an open merge that `commit` contains: the next `git commit` must not make it a second time."""
    theirs = merge_head(repo, own_dir)
    if theirs is not None and contains(repo, commit, theirs):
        for name in _MERGE_FILES:
            (own_dir / name).unlink(missing_ok=True)


def foreign_operation(own_dir: Path) -> str | None:
    """The name of an operation, other than a merge, that was begun in the worktree and not ended."""
    for name, operation in _FOREIGN.items():
        if os.path.lexists(own_dir / name):
            return operation
    return None


def is_merging(own_dir: Path) -> bool:
    """Whether a merge is open in the worktree, of whatever commit."""
    return os.path.lexists(own_dir / "MERGE_HEAD")


def merge_head(repo: pygit2.Repository, own_dir: Path) -> Oid | None:
    """The one commit whose merge is open; None when there is none, or MERGE_HEAD is anything else."""
    text = read_small(own_dir / "MERGE_HEAD", _LIMIT_BYTES) or b""
    try:
        commit = parse_oid(text.decode(errors="replace").strip())
    except InvalidName:
        return None
    return commit if isinstance(repo.get(commit), pygit2.Commit) else None


def left_merge(repo: pygit2.Repository, own_dir: Path, head: Oid, base: Oid) -> LeftMerge | None:
    """The merge that was left in a worktree whose HEAD is `head`, open or already dealt with.

    None when there was none that `base` contains.
    """
    if is_merging(own_dir):
        theirs = merge_head(repo, own_dir)
        if theirs is None or not contains(repo, base, theirs):
            return None
        return LeftMerge(head, theirs, is_open=True)
    words = (read_small(own_dir / _MEMO, _LIMIT_BYTES) or b"").decode(errors="replace").split()
    try:
        ours, remembered = (parse_oid(word) for word in words)
    except ValueError:
        return None
    known = all(isinstance(repo.get(side), pygit2.Commit) for side in (ours, remembered))
    if known and contains(repo, base, remembered) and contains(repo, head, ours):
        return LeftMerge(ours, remembered, is_open=False)
    return None


def contains(repo: pygit2.Repository, tip: Oid, commit: Oid) -> bool:
    """Whether `commit` is `tip` or one of its ancestors."""
    return tip == commit or repo.descendant_of(tip, commit)


def share_history(repo: pygit2.Repository, one: Oid, other: Oid) -> bool:
    """Whether two commits have an ancestor in common."""
    try:
        return repo.merge_base(one, other) is not None
    except KeyError:
        return False


@frozen
class Remerge:
    """A left merge, done again in memory: its conflicting files, and what it brought in without conflict."""

    conflicts: tuple[bytes, ...]
    _unmarked: frozenset[bytes]
    _before: Entries
    _theirs: Entries
    _brought: Entries
    _taken_away: frozenset[bytes]

    @classmethod
    def of(cls, repo: pygit2.Repository, left: LeftMerge) -> Remerge:
        """Merge the two sides of `left`."""
        before = _entries(repo, left.ours)
        index = repo.merge_commits(left.ours, left.theirs)
        conflicts = conflict_paths(index)
        unmarked = _without_markers(repo, index)
        after = {path: entry for path, entry in entries_of(index).items() if path not in conflicts}
        brought = {path: entry for path, entry in after.items() if before.get(path) != entry}
        gone = frozenset(before.keys() - after.keys() - set(conflicts))
        return cls(conflicts, unmarked, before, _entries(repo, left.theirs), brought, gone)

    def marked(self, repo: pygit2.Repository, content: Entries) -> tuple[str, ...]:
        """The conflicting files that still have a conflict marker which neither side had."""
        found = []
        for path in self.conflicts:
            lines = _marker_lines(repo, content, path)
            if lines - _marker_lines(repo, self._before, path) - _marker_lines(repo, self._theirs, path):
                found.append(path.decode(errors="replace"))
        return tuple(found)

    def undecided(self, content: Entries, index: pygit2.Index | None) -> tuple[str, ...]:
        """The conflicting files in which nothing could be marked, and that are still as one side has them.

        Only those that the worktree's own `index` has as unmerged: who adds or removes a file has decided.
        """
        unmerged = self._unmarked.intersection(() if index is None else conflict_paths(index))
        left = (
            path
            for path in sorted(unmerged)
            if path in content and content[path] in (self._before.get(path), self._theirs.get(path))
        )
        return tuple(path.decode(errors="replace") for path in left)

    def resolution(self, repo: pygit2.Repository, content: Entries, *, is_open: bool) -> Resolution:
        """Whether `content` is the outcome of this merge.

        What the merge brought without a conflict tells: content that has none of it comes from an agent
        that gave the merge up (`git merge --abort`). Where there is no such file an open merge is taken at
        its word, and one that is gone is believed when a conflicting file has something of the other side.

        Raises:
            HalfUndone: it has some of it.
        """
        undone = [
            path for path, entry in self._brought.items() if content.get(path) == self._before.get(path)
        ]
        undone += [path for path in self._taken_away if path in content]
        count = len(self._brought) + len(self._taken_away)
        if count and not undone:
            return Resolution.TAKEN
        if undone and (is_open or len(undone) < count):
            raise HalfUndone(tuple(path.decode(errors="replace") for path in sorted(undone)))
        if not count and (is_open or any(self._has_theirs(repo, content, path) for path in self.conflicts)):
            return Resolution.TAKEN
        return Resolution.ABANDONED

    def _has_theirs(self, repo: pygit2.Repository, content: Entries, path: bytes) -> bool:
        new = _lines(repo, self._theirs, path) - _lines(repo, self._before, path)
        return any(line.strip() for line in new & _lines(repo, content, path))


def conflict_paths(index: pygit2.Index) -> tuple[bytes, ...]:
    """The conflicting paths of a merged index, sorted."""
    if index.conflicts is None:
        return ()
    entries = (entry for conflict in index.conflicts for entry in conflict if entry is not None)
    return tuple(sorted({entry.path.encode(errors="surrogateescape") for entry in entries}))


def _without_markers(repo: pygit2.Repository, index: pygit2.Index) -> frozenset[bytes]:
    """The conflicting paths that are left as one side has them: binary files, links, what a side deleted."""
    found: set[bytes] = set()
    for _, ours, theirs in index.conflicts or ():
        sides = [side for side in (ours, theirs) if side is not None]
        if len(sides) < 2 or not all(_is_text(repo, side) for side in sides):
            found.update(side.path.encode(errors="surrogateescape") for side in sides)
    return frozenset(found)


def _is_text(repo: pygit2.Repository, entry: IndexEntry) -> bool:
    blob = repo.get(entry.id) if entry.mode in (FileMode.BLOB, FileMode.BLOB_EXECUTABLE) else None
    return isinstance(blob, pygit2.Blob) and not blob.is_binary


def _entries(repo: pygit2.Repository, commit: Oid) -> Entries:
    return tree_entries(repo[commit].peel(pygit2.Tree))


def _lines(repo: pygit2.Repository, entries: Entries, path: bytes) -> frozenset[bytes]:
    entry = entries.get(path)
    if entry is None or entry.mode not in (FileMode.BLOB, FileMode.BLOB_EXECUTABLE):
        return frozenset()
    return frozenset(repo[entry.oid].peel(pygit2.Blob).data.splitlines())


def _marker_lines(repo: pygit2.Repository, entries: Entries, path: bytes) -> frozenset[bytes]:
    return frozenset(line for line in _lines(repo, entries, path) if line.startswith(_MARKERS))
