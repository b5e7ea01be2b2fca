"""What an agent is shown of a conflict: each file, who changed it on the base, and the hunks, all bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import pygit2
from attrs import field, frozen
from pygit2.enums import DeltaStatus, FileMode
from pygit2.index import IndexEntry

from scriptorium.code.base_changes import BaseChange, changes_on_base, entry_at
from scriptorium.code.hunks import BASE, SUBMISSION, conflict_hunks, patch_hunks
from scriptorium.plan.ids import Oid

SHOWN_BYTES: Final = 12 * 1024
"""Of all files of a conflict together, their names and commits not counted."""
FILES_SHOWN: Final = 100
"""Files of which more than the name is told."""
FILE_LIMIT_BYTES: Final = 1024 * 1024
"""A conflicting file larger than this is named and not shown."""

Conflict: TypeAlias = tuple[IndexEntry | None, IndexEntry | None, IndexEntry | None]
"""As git's index has it: what the sides had in common, then the base's, then the submission's."""

_KINDS: Final = {
    FileMode.BLOB: "a file",
    FileMode.BLOB_EXECUTABLE: "a file",
    FileMode.LINK: "a symbolic link",
    FileMode.COMMIT: "a submodule",
    FileMode.TREE: "a folder",
}


@frozen
class ConflictedFile:
    """One conflicting path, the commits of the base that changed it (newest first), and what is in conflict.

    `shown` ends with a newline; it is empty for a file that no room was left for.
    """

    path: str
    changes: tuple[BaseChange, ...] = ()
    shown: str = field(default="", repr=False)


def conflicted_files(
    repo: pygit2.Repository, conflicts: Iterable[Conflict], base: Oid, submission: Oid
) -> tuple[ConflictedFile, ...]:
    """The files of the conflicts of a merged index, sorted by path, each once."""
    found = {conflict_path(conflict): conflict for conflict in conflicts}
    paths = sorted(found)
    view = _View(repo, repo[base].peel(pygit2.Tree), repo[submission].peel(pygit2.Tree))
    return _told(repo, base, submission, paths, (view.of(found[path]) for path in paths))


def conflicted_modes(
    repo: pygit2.Repository, base: Oid, submission: Oid, common: pygit2.Oid
) -> tuple[ConflictedFile, ...]:
    """The files that both sides have added with one content and two modes, sorted.

    For git that is a conflict; libgit2 keeps the mode of one side, without a word.
    """
    before = repo[common].peel(pygit2.Tree)
    between = repo[base].peel(pygit2.Tree).diff_to_tree(repo[submission].peel(pygit2.Tree))
    modes = {
        delta.old_file.raw_path.decode(errors="surrogateescape"): FileMode(delta.old_file.mode)
        for delta in between.deltas
        if delta.status == DeltaStatus.MODIFIED and delta.old_file.id == delta.new_file.id
    }
    added = {path: mode for path, mode in modes.items() if entry_at(before, path) is None}
    shown = (
        "both sides added this file; on the base it is "
        f"{'' if mode == FileMode.BLOB_EXECUTABLE else 'not '}executable, unlike in the submission; "
        "decide which, and run chmod if need be\n"
        for mode in added.values()
    )
    return _told(repo, base, submission, list(added), shown)


def conflict_path(conflict: Conflict) -> str:
    """The path of a conflict: the same on every side that has it."""
    return str(next(entry.path for entry in conflict if entry is not None))


def _told(
    repo: pygit2.Repository, base: Oid, submission: Oid, paths: list[str], shown: Iterator[str]
) -> tuple[ConflictedFile, ...]:
    if not paths:
        return ()
    changes = changes_on_base(repo, base, submission, paths[:FILES_SHOWN])
    files, room = [], SHOWN_BYTES
    for number, path in enumerate(paths):
        text = next(shown) if number < FILES_SHOWN and room > 0 else ""
        room -= len(text.encode(errors="replace"))
        # Nothing smaller is shown in place of one that does not fit: it would look like the whole.
        files.append(ConflictedFile(path, changes.get(path, ()), text if room >= 0 else ""))
    return tuple(files)


@frozen
class _View:
    """The two sides of a merge, to tell of its conflicts from."""

    repo: pygit2.Repository
    base: pygit2.Tree
    submission: pygit2.Tree

    def of(self, conflict: Conflict) -> str:
        """One conflict in a line or more."""
        ancestor, ours, theirs = conflict
        if ours is None or theirs is None:
            return self._one_sided(ancestor, ours, theirs)
        kinds = [_KINDS[FileMode(entry.mode)] for entry in (ours, theirs)]
        if kinds[0] != kinds[1]:
            return f"{kinds[0]} on the base, {kinds[1]} in the submission\n"
        if ours.mode == FileMode.COMMIT:
            return f"a submodule, at {ours.id} on the base, at {theirs.id} in the submission\n"
        if ours.mode == FileMode.LINK:
            targets = self._target(ours), self._target(theirs)
            return "a symbolic link, to {} on the base, to {} in the submission\n".format(*targets)
        unshowable = self._unshowable(conflict)
        if unshowable is not None:
            return f"both sides changed this file, which is {unshowable}\n"
        return self._hunks(ancestor, ours, theirs)

    def _hunks(self, ancestor: IndexEntry | None, ours: IndexEntry, theirs: IndexEntry) -> str:
        # An entry's path only makes the label of its side here.
        merged = self.repo.merge_file_from_index(ancestor, _named(ours, BASE), _named(theirs, SUBMISSION))
        hunks = conflict_hunks(merged.contents)
        ends = [self._line_ends(entry) for entry in (ours, theirs)]
        if ends[0] != ends[1]:
            hunks = f"lines end in {ends[0]} on the base, in {ends[1]} in the submission\n{hunks}"
        return hunks or "both sides changed this file, and an attribute keeps it from being merged by lines\n"

    def _one_sided(
        self, ancestor: IndexEntry | None, ours: IndexEntry | None, theirs: IndexEntry | None
    ) -> str:
        kept = ours or theirs
        if kept is None:
            return "renamed by one side, and by the other deleted, or renamed to something else\n"
        here, there = ("the base", "the submission") if theirs is None else ("the submission", "the base")
        other = entry_at(self.submission if theirs is None else self.base, str(kept.path))
        if other is not None and other[1] == FileMode.TREE:
            return f"{_KINDS[FileMode(kept.mode)]} in {here}, a folder in {there}\n"
        if ancestor is None:
            return f"renamed to this by {here}; {there} deleted, renamed or changed it too\n"
        if ancestor.id == kept.id:
            return f"renamed by {there}, to a name that {here} uses too\n"
        told = f"deleted or renamed by {there}, changed by {here}"
        if self._unshowable((ancestor, kept, None)) is not None or ancestor.mode == FileMode.LINK:
            return f"{told}\n"
        patch = self._blob(ancestor).diff(self._blob(kept))
        return f"{told}:\n{patch_hunks(patch.text or '')}"

    def _unshowable(self, conflict: Conflict) -> str | None:
        """What keeps the content of a conflict from being shown; None when nothing does."""
        for entry in conflict:
            if entry is None:
                continue
            if entry.mode == FileMode.COMMIT:
                return "a submodule"
            blob = self._blob(entry)
            if blob.size > FILE_LIMIT_BYTES:
                return "too large to be shown"
            if blob.is_binary or not _is_utf8(blob.data):
                return "binary, or not UTF-8"
        return None

    def _line_ends(self, entry: IndexEntry) -> str:
        data = self._blob(entry).data
        returns = data.count(b"\r\n")
        if returns == 0:
            return "LF"
        return "CRLF" if returns == data.count(b"\n") else "LF and CRLF"

    def _target(self, link: IndexEntry) -> str:
        return self._blob(link).data[:FILES_SHOWN].decode(errors="replace")

    def _blob(self, entry: IndexEntry) -> pygit2.Blob:
        return self.repo[entry.id].peel(pygit2.Blob)


def _named(entry: IndexEntry, label: str) -> IndexEntry:
    return IndexEntry(label, entry.id, entry.mode)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
