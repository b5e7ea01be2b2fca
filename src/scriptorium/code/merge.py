"""Merging a submission with the base, in memory: no file, ref or index of anybody is touched."""

from __future__ import annotations

from typing import TypeAlias

import pygit2
from attrs import frozen

from scriptorium.code.conflicts import ConflictedFile, conflicted_files, conflicted_modes
from scriptorium.code.repository import Project, open_repository
from scriptorium.plan.ids import Oid


@frozen
class Merged:
    """`submission` merges cleanly with `base`; `tree` is what would land, and what must be checked."""

    tree: Oid
    base: Oid
    submission: Oid


@frozen
class Conflicted:
    """The two do not merge: the conflicting files, sorted by path, or why git does not even try.

    `refused` is empty when there are files. It is about the submission as a whole otherwise.
    """

    files: tuple[ConflictedFile, ...]
    refused: str = ""


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
    merged = _merge(repo, base, submission)
    if isinstance(merged, Conflicted):
        return merged
    return NothingToLand() if merged == str(base_tree) else Merged(merged, base, submission)


def _merge(repo: pygit2.Repository, base: Oid, submission: Oid) -> Oid | Conflicted:
    """The merged tree, or why there is none."""
    common = _common(repo, base, submission)
    if common is None:  # libgit2 would put the files of the two side by side
        return Conflicted((), "the submission shares no history with the base branch as it is now")
    try:
        index = repo.merge_commits(base, submission)
        if index.conflicts is not None:
            return Conflicted(conflicted_files(repo, index.conflicts, base, submission))
        tree = Oid(str(index.write_tree(repo)))
    except pygit2.GitError as error:
        if not str(error).startswith("invalid path"):
            raise
        # A tree can be written by hand with entries such as `.git`; that is the submission's fault.
        return Conflicted((), f"git does not accept a path of the submission: {error}")
    in_two_modes = conflicted_modes(repo, base, submission, common)
    return Conflicted(in_two_modes) if in_two_modes else tree


def _common(repo: pygit2.Repository, base: Oid, submission: Oid) -> pygit2.Oid | None:
    return repo.merge_base(base, submission)


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
