"""Turning what a worktree holds into a tree, in memory: no index, no file of the agent's is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pygit2
from attrs import frozen
from pygit2.enums import FileMode

from scriptorium.code.blobs import BlobWriter, Unstorable
from scriptorium.code.nofollow import open_folder, read_small
from scriptorium.code.repository import Project, open_repository
from scriptorium.code.scan import Entries, Entry, Scan, indexed_entries, outer_rules, scan, tree_entries
from scriptorium.plan.ids import Oid

_FAULTS_OF_THE_FILE = frozenset(
    {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EINVAL, errno.ENAMETOOLONG}
)
"""Everything else, such as a full disk, is a fault of the system and is not blamed on one file."""

_SETTINGS_LIMIT_BYTES = 1024 * 1024


@frozen
class Recorded:
    """A worktree's content as a tree.

    `changed` are the paths in which it differs from the commit it was compared with; `nested` the folders
    with a `.git` of their own, whose files are in the tree all the same; `refused` what could not be
    recorded, and why ("" is the worktree as a whole): it is in the tree as the commit has it, or not at all.
    """

    tree: Oid
    changed: tuple[str, ...]
    nested: tuple[str, ...]
    refused: Mapping[str, str]


def record(project: Project, worktree: Path, own_dir: Path | None, commit: Oid | None) -> Recorded:
    """Record `worktree` as changes to the tree of `commit` (None: to an empty tree).

    `own_dir` is the worktree's registration, for its index; without one only what `commit` has is tracked.

    Raises:
        OSError: the worktree cannot be opened, or the disk is full.
    """
    repo = open_repository(project)
    index = pygit2.Index()
    if commit is not None:
        index.read_tree(repo[commit].peel(pygit2.Tree))
    head: Entries = tree_entries(repo[commit].peel(pygit2.Tree)) if commit is not None else {}
    tracked = indexed_entries(own_dir) if own_dir is not None else None
    found = scan(
        worktree,
        head,
        tracked if tracked is not None else head,
        outer_rules(repo, project.git_dir),
        trust_modes=_trusts_modes(repo),
    )
    refused = dict(found.unreadable)
    if own_dir is not None and _is_sparse(repo, own_dir):
        # Files that are missing because git was told to leave them out are not removed files.
        found.removed.clear()
        refused[b""] = "it is a sparse checkout; run `git sparse-checkout disable`, then submit again"
    new = _store(project, repo, worktree, found, refused)
    changed = _stage(index, head, found, new, refused)
    return Recorded(
        Oid(str(index.write_tree(repo))),
        tuple(os.fsdecode(path) for path in sorted(changed)),
        tuple(os.fsdecode(path) for path in sorted(found.nested)),
        {os.fsdecode(path): why for path, why in sorted(refused.items())},
    )


def _trusts_modes(repo: pygit2.Repository) -> bool:
    return "core.filemode" not in repo.config or repo.config.get_bool("core.filemode")


def _is_sparse(repo: pygit2.Repository, own_dir: Path) -> bool:
    if read_small(own_dir / "info" / "sparse-checkout", _SETTINGS_LIMIT_BYTES) is None:
        return False
    if read_small(own_dir / "config.worktree", _SETTINGS_LIMIT_BYTES) is None:
        return "core.sparsecheckout" in repo.config and repo.config.get_bool("core.sparsecheckout")
    try:
        own = pygit2.Config(str(own_dir / "config.worktree"))
        return "core.sparsecheckout" in own and own.get_bool("core.sparsecheckout")
    except (pygit2.GitError, ValueError):
        return False


def _store(
    project: Project, repo: pygit2.Repository, worktree: Path, found: Scan, refused: dict[bytes, str]
) -> dict[bytes, Entry]:
    new: dict[bytes, Entry] = {}
    with open_folder(worktree) as root, BlobWriter(project, repo, root, found.attributes) as writer:
        for path, mode in sorted(found.candidates.items()):
            try:
                new[path] = Entry(mode, writer.store(path, mode))
            except Unstorable as error:
                refused[path] = str(error)
            except FileNotFoundError:
                found.removed.append(path)
            except OSError as error:
                if error.errno not in _FAULTS_OF_THE_FILE:
                    raise
                refused[path] = error.strerror or str(error)
    new.update({path: Entry(FileMode.COMMIT, oid) for path, oid in found.submodules.items()})
    return new


def _stage(
    index: pygit2.Index, head: Entries, found: Scan, new: dict[bytes, Entry], refused: dict[bytes, str]
) -> set[bytes]:
    """Edit the index in memory; returns the paths that came to differ from `head`."""
    changed: set[bytes] = set()
    for path in found.removed:
        if path in head:
            index.remove(os.fsdecode(path))
            changed.add(path)
    for path, entry in new.items():
        if head.get(path) == entry:
            continue
        try:
            index.add(pygit2.IndexEntry(os.fsdecode(path), pygit2.Oid(hex=entry.oid), entry.mode))
        except pygit2.GitError as error:
            refused[path] = f"git does not accept the name ({error})"
            continue
        changed.add(path)
    return changed
