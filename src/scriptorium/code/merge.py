"""Merging a submission with the base, in memory: no file, ref or index of anybody is touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

import pygit2
from attrs import frozen
from pygit2.index import IndexEntry

from scriptorium.code.repository import Project, open_repository
from scriptorium.plan.ids import Oid

EXCERPT_LIMIT_BYTES: Final = 8 * 1024
"""What an agent is shown of the conflicts; the files themselves are in its worktree anyway."""
FILE_LIMIT_BYTES: Final = 1024 * 1024
"""A conflicting file larger than this is named and not shown."""
CONTEXT_LINES: Final = 3
CUT: Final = "[… more conflicts are left out …]\n"

Conflict: TypeAlias = tuple[IndexEntry | None, IndexEntry | None, IndexEntry | None]


@frozen
class Merged:
    """`submission` merges cleanly with `base`; `tree` is what would land, and what must be checked."""

    tree: Oid
    base: Oid
    submission: Oid


@frozen
class Conflicted:
    """The two do not merge: the conflicting `files`, sorted, and an `excerpt` of at most 8 KiB to show.

    `files` is empty when git itself does not accept the submission's tree; the excerpt then says why.
    """

    files: tuple[str, ...]
    excerpt: str


@frozen
class NothingToLand:
    """The merged tree is the base's own: landing it would change nothing."""


@frozen
class AlreadyLanded:
    """The base contains the submission since `commit`, the first of its first-parent line that does."""

    commit: Oid


MergeOutcome: TypeAlias = Merged | Conflicted | NothingToLand | AlreadyLanded


def merge(project: Project, base: Oid, submission: Oid) -> MergeOutcome:
    """Merge the commits `base` and `submission`; only objects are written.

    Raises `KeyError` when one of them is not in the repository.
    """
    repo = open_repository(project)
    base_tree = repo[base].peel(pygit2.Commit).tree_id
    repo[submission].peel(pygit2.Commit)  # a missing one is told apart from an error of the merge
    if _contains(repo, base, submission):
        return AlreadyLanded(_entry_point(repo, base, submission))
    try:
        index = repo.merge_commits(base, submission)
        if index.conflicts is not None:
            return _conflicted(repo, index.conflicts)
        tree = Oid(str(index.write_tree(repo)))
    except pygit2.GitError as error:
        if not str(error).startswith("invalid path"):
            raise
        # A tree can be written by hand with entries such as `.git`; that is the submission's fault.
        return Conflicted((), f"git does not accept a path of the submission: {error}\n")
    if tree == str(base_tree):
        return NothingToLand()
    return Merged(tree, base, submission)


def _contains(repo: pygit2.Repository, tip: Oid, commit: Oid) -> bool:
    return tip == commit or repo.descendant_of(tip, commit)


def _entry_point(repo: pygit2.Repository, base: Oid, submission: Oid) -> Oid:
    walker = repo.walk(base)
    walker.simplify_first_parent()
    walker.hide(submission)
    line = [Oid(str(commit.id)) for commit in walker]
    # Down the first-parent line "contains it" turns from true to false once, so halving finds the place.
    low, high = 0, len(line)
    while low < high:
        middle = (low + high) // 2
        if _contains(repo, line[middle], submission):
            low = middle + 1
        else:
            high = middle
    return line[low - 1] if low else base


def _conflicted(repo: pygit2.Repository, conflicts: pygit2.index.ConflictCollection) -> Conflicted:
    found = sorted(conflicts, key=_path)
    files = tuple(dict.fromkeys(_path(conflict) for conflict in found))
    parts: list[str] = []
    size = 0
    for conflict in found:
        part = f"--- {_path(conflict)}\n{_describe(repo, conflict)}"
        size += len(part.encode(errors="replace"))
        parts.append(part)
        if size > EXCERPT_LIMIT_BYTES:
            break
    return Conflicted(files, _bounded("".join(parts)))


def _path(conflict: Conflict) -> str:
    return str(next(entry.path for entry in conflict if entry is not None))


def _describe(repo: pygit2.Repository, conflict: Conflict) -> str:
    ancestor, ours, theirs = conflict
    if ours is None or theirs is None:
        return _one_sided(ancestor, ours, theirs)
    if not all(entry is None or _is_text(repo, entry) for entry in conflict):
        return "both sides changed this file, which is not text that can be shown\n"
    # An entry's path only makes the label of its side here.
    merged = repo.merge_file_from_index(ancestor, _named(ours, "base"), _named(theirs, "submission"))
    hunks = "".join(_hunks(merged.contents.splitlines(keepends=True)))
    return hunks or "both sides changed the kind or the mode of this file\n"


def _named(entry: IndexEntry, label: str) -> IndexEntry:
    return IndexEntry(label, entry.id, entry.mode)


def _one_sided(ancestor: IndexEntry | None, ours: IndexEntry | None, theirs: IndexEntry | None) -> str:
    if ancestor is None:
        return "one side has a file where the other has a folder, or both renamed it differently\n"
    if ours is None and theirs is None:
        return "renamed differently on both sides\n"
    return (
        f"{'the base' if ours is None else 'the submission'} deleted this file, the other side changed it\n"
    )


def _is_text(repo: pygit2.Repository, entry: IndexEntry) -> bool:
    blob = repo.get(entry.id)
    if not isinstance(blob, pygit2.Blob) or blob.size > FILE_LIMIT_BYTES or blob.is_binary:
        return False
    try:
        blob.data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _hunks(lines: list[str]) -> Iterator[str]:
    """The lines between conflict markers, each hunk with a few lines around it."""
    shown: set[int] = set()
    start: int | None = None
    for number, line in enumerate(lines):
        if line.startswith("<<<<<<< ") and start is None:
            start = number
        elif line.startswith(">>>>>>> ") and start is not None:
            shown.update(range(max(0, start - CONTEXT_LINES), number + 1 + CONTEXT_LINES))
            start = None
    previous = -1
    for number in sorted(shown):
        if number >= len(lines):
            break
        if number != previous + 1:
            yield f"@@ line {number + 1} @@\n"
        line = lines[number]
        yield line if line.endswith("\n") else f"{line}\n"
        previous = number


def _bounded(text: str) -> str:
    data = text.encode(errors="replace")
    if len(data) <= EXCERPT_LIMIT_BYTES:
        return text
    kept = data[: EXCERPT_LIMIT_BYTES - len(CUT.encode())].decode(errors="ignore")
    return kept[: kept.rfind("\n") + 1] + CUT
