"""Bringing a worktree that an agent wrote in to exactly the tree of a commit, as checks need it.

Everything in the worktree is hostile: links, permissions, nested repositories, hard links to files
elsewhere, the index with its cached stat data. Nothing is followed or believed. What already is as it
should be stays, so that the cost is that of the difference (and of reading the files once).
The processes of the run must be gone: a path is looked at and then used.
"""

# Paths are bytes here: file names of an agent's choosing, which pathlib does not take.
# ruff: noqa: PTH101, PTH108, PTH118

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import pygit2
from attrs import define, field
from pygit2.enums import CheckoutStrategy

from scriptorium.code.filtering import filtered, settings_matter
from scriptorium.code.linked import link_of
from scriptorium.code.matching import can_be_rewritten, is_exactly, is_plain
from scriptorium.code.nofollow import write_anew
from scriptorium.code.places import git_name
from scriptorium.code.plain_files import write_plain_files
from scriptorium.code.registration import Registration
from scriptorium.code.removal import Trash, open_up
from scriptorium.code.repository import Project, open_repository
from scriptorium.code.trees import Folder, Leaf, RawPath, read_tree
from scriptorium.plan.freeing import freed_behind
from scriptorium.plan.ids import Oid

KEPT_OF_GIT_DIR: Final = frozenset({b"HEAD", b"commondir", b"gitdir", b"locked", b"logs"})
"""Of the worktree's own git directory; the index, locks, open merges and settings in it are the agent's."""

WRITTEN_BY_US: Final = 500
"""More files at once are for a checkout by libgit2, which keeps no other thread waiting."""


class WorktreeBroken(Exception):
    """The worktree cannot be brought to a commit: make it anew. The text says what is wrong with it."""


@define
class _Survey:
    """What the walk over a worktree found: `present` as wanted, `stale` but for the bytes, `spared` for the
    moment as `keep` asks.

    With `fresh_mode`, the permissions of a folder that a checkout makes now, owners and permissions are made
    those of a fresh one; without, they only have to let us work there.
    """

    root: bytes
    keep: frozenset[bytes] = frozenset()
    fresh_mode: int | None = None
    present: set[bytes] = field(factory=set)
    stale: set[bytes] = field(factory=set)
    spared: list[bytes] = field(factory=list)


def reset_to_commit(
    project: Project, worktree: Path, commit: Oid, keep_ignored: Collection[str] = ()
) -> None:
    """Make `worktree` hold exactly the tree of `commit`, with HEAD detached there.

    Files that the tree does not have are removed, ignored ones too, except what the tree's own rules ignore
    and whose name, or path from the root, or a folder's above it, is in `keep_ignored`: that is what an agent
    made of it, but no link. A submodule is left an empty folder. Done twice, the result is the same.

    Raises:
        WorktreeBroken: it is not a worktree of this project below `.scriptorium/worktrees`, or the
            repository's settings keep a checkout from being exact.
        UnsafeTree: the tree cannot be checked out by anyone.
        KeyError: there is no such commit.
        OSError: the system forbids a step, or the disk is full.
    """
    own_dir = _own_git_dir(project, worktree)
    repo = open_repository(project)
    leaves, folders = read_tree(repo, commit)
    root = os.fsencode(worktree)
    _restore_git_dir(worktree, own_dir, commit)
    survey = _Survey(root, frozenset(os.fsencode(name) for name in keep_ignored))
    with Trash(root) as trash:
        _clear(survey, folders, trash)
    _complete(survey, repo, own_dir, commit, leaves)


def refill(repo: pygit2.Repository, registration: Registration, commit: Oid) -> None:
    """Make a folder of unknown content exactly the checkout of `commit` that a fresh one would be.

    As `reset_to_commit`, and owners and permissions are those of new files too. The folder is at the place of
    a registration that was made just now, which is believed and stays as it is, HEAD too. `repo` is the main
    repository. After an error the folder is neither the one nor the other.

    Raises as `reset_to_commit` does; `WorktreeBroken` also when the folder is not to be had for our own.
    """
    leaves, folders = read_tree(repo, commit)
    root = os.fsencode(registration.worktree)
    if not stat.S_ISDIR(os.lstat(root).st_mode):
        raise WorktreeBroken(f"{registration.worktree} is not a folder")
    survey = _Survey(root, fresh_mode=_fresh_mode(registration))
    with Trash(root) as trash:
        _clear(survey, folders, trash)
    _restore_link(registration.worktree, registration.own_dir)
    _complete(survey, repo, registration.own_dir, commit, leaves)


def _fresh_mode(registration: Registration) -> int:
    """The permissions that a checkout gives to a folder: the process's umask shows in the registration's."""
    inherited = os.lstat(registration.worktree.parent).st_mode & stat.S_ISGID
    return os.lstat(registration.own_dir).st_mode & 0o755 | inherited


def _complete(
    survey: _Survey, repo: pygit2.Repository, own_dir: Path, commit: Oid, leaves: Mapping[bytes, Leaf]
) -> None:
    """Write the index, and the files of `leaves` that the survey did not find present, or not as wanted.

    Objects come from the main repository `repo`. To open the worktree's own takes as long as to write twenty
    files, and it is asked only where its settings matter.
    """
    root = survey.root
    own = _opened_at(own_dir) if settings_matter(repo, own_dir, leaves) else None
    # Nothing of the old index is used. Attributes are looked up in it when a file of them is missing.
    index = pygit2.Index(str(own_dir / "index")) if own is None else own.index
    index.read_tree(repo[commit].peel(pygit2.Tree))
    index.write()
    altered = set() if own is None else filtered(own, leaves, survey.present)
    missing = leaves.keys() - (survey.present - altered)
    plain = {path: leaves[path] for path in missing - altered if leaves[path].is_file}
    if len(plain) > WRITTEN_BY_US:
        plain = {}
    # libgit2 leaves a file alone whose content a filter would make the wanted one of.
    for path in (survey.present & altered) | (survey.stale - plain.keys()):
        os.unlink(os.path.join(root, path))
    write_plain_files(repo, root, plain)
    by_libgit2 = missing - plain.keys()
    if own is None and (by_libgit2 or survey.spared):
        own = _opened_at(own_dir)
    if own is not None and by_libgit2:
        _check_out(own, commit, by_libgit2)
        _verify(root, leaves, by_libgit2, altered)
    if own is not None and survey.spared:
        _remove_unignored(own, survey)


def _opened_at(own_dir: Path) -> pygit2.Repository:
    return pygit2.Repository(str(own_dir))


def _own_git_dir(project: Project, worktree: Path) -> Path:
    """The worktree's directory in the repository, found from that side: its `.git` file is the agent's."""
    if Path(os.path.realpath(worktree)) != worktree or project.worktrees_dir not in worktree.parents:
        raise WorktreeBroken(f"{worktree} is not a folder of its own below {project.worktrees_dir}")
    if not worktree.is_dir():
        raise WorktreeBroken(f"{worktree} is gone")
    target, folder = os.path.join(worktree, ".git"), project.git_dir / "worktrees"
    usual = folder / git_name(project, worktree)
    if link_of(os.fspath(usual)) == target and not usual.is_symlink():
        return usual  # with a long queue, to look at all of them costs more than the checkout
    with os.scandir(folder) as entries:
        folders = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    found = [folder for folder in folders if link_of(folder) == target]
    if len(found) != 1:
        raise WorktreeBroken(f"{worktree}: git knows {len(found)} worktrees there, not one")
    return Path(found[0])


def _restore_git_dir(worktree: Path, own_dir: Path, commit: Oid) -> None:
    """Everything that git reads about the worktree is written anew or removed."""
    folder = os.fsencode(own_dir)
    open_up(os.fsencode(worktree))
    open_up(folder)
    with freed_behind(own_dir / "index"), Trash(folder) as trash, os.scandir(folder) as entries:
        for entry in entries:
            if entry.name not in KEPT_OF_GIT_DIR or entry.is_symlink():
                trash.take(entry.path)
    write_anew(own_dir / "HEAD", f"{commit}\n".encode())
    write_anew(own_dir / "commondir", b"../..\n")
    write_anew(own_dir / "gitdir", os.fsencode(worktree / ".git") + b"\n")
    _restore_link(worktree, own_dir)


def _restore_link(worktree: Path, own_dir: Path) -> None:
    link = worktree / ".git"
    if link.is_dir() and not link.is_symlink():
        with Trash(os.fsencode(worktree)) as trash:
            trash.take(os.fsencode(link))
    write_anew(link, b"gitdir: " + os.fsencode(own_dir) + b"\n")


def _clear(survey: _Survey, wanted: Folder, trash: Trash) -> None:
    """Remove whatever is not in `wanted`, or not of the kind that is wanted there."""
    waiting: list[tuple[bytes, Folder, bool]] = [(b"", wanted, False)]
    while waiting:
        prefix, folder, in_kept = waiting.pop()
        where = os.path.join(survey.root, prefix)
        _enter(survey, where)
        with os.scandir(where) as entries:
            # Read to its end before anything is removed: a folder that changes may be read in part.
            found = list(entries)
        for entry in found:
            path = prefix + entry.name
            # The tree may have a file or two in a folder that is to be kept, such as a `.gitkeep`.
            keeps = in_kept or not survey.keep.isdisjoint((path, entry.name))
            below = _look(survey, entry, path, folder.get(entry.name), trash, keeps=keeps)
            if below is not None:
                waiting.append((path + b"/", below, keeps))


def _enter(survey: _Survey, folder: bytes) -> None:
    if survey.fresh_mode is None:
        open_up(folder)
        return
    found = os.lstat(folder)
    if found.st_uid != os.geteuid():
        raise WorktreeBroken(f"{os.fsdecode(folder)} belongs to another user")
    if stat.S_IMODE(found.st_mode) != survey.fresh_mode:
        os.chmod(folder, survey.fresh_mode)


def _look(
    survey: _Survey,
    entry: os.DirEntry[bytes],
    path: bytes,
    want: Leaf | Folder | None,
    trash: Trash,
    *,
    keeps: bool,
) -> Folder | None:
    """Deal with one entry of a folder; a folder that stays is returned, to be walked in its turn."""
    if path == b".git":
        return None
    is_folder = entry.is_dir(follow_symlinks=False)
    if want is None and keeps and not entry.is_symlink():
        survey.spared.append(path)
        return None
    if is_folder and isinstance(want, dict):
        return want
    if is_folder and isinstance(want, Leaf) and want.is_submodule:
        survey.present.add(path)
        return {}
    if isinstance(want, Leaf) and not is_folder and is_exactly(entry.path, want, survey.fresh_mode):
        survey.present.add(path)
    elif isinstance(want, Leaf) and not is_folder and _may_be_rewritten(survey, entry, want):
        survey.stale.add(path)  # the dear part of a file is to make one and to remove one
    else:
        trash.take(entry.path)
    return None


def _may_be_rewritten(survey: _Survey, entry: os.DirEntry[bytes], want: Leaf) -> bool:
    # Attributes are asked for before anything is written: the agent's must be gone by then.
    return entry.name != b".gitattributes" and can_be_rewritten(entry.path, want, survey.fresh_mode)


def _check_out(repo: pygit2.Repository, commit: Oid, missing: Collection[bytes]) -> None:
    """Write the files at `missing`, of which there are some: an empty list would mean every file."""
    tree = repo[commit].peel(pygit2.Tree)
    strategy = CheckoutStrategy.FORCE | CheckoutStrategy.DISABLE_PATHSPEC_MATCH
    paths = [RawPath(path) for path in sorted(missing)]
    repo.checkout_tree(tree, strategy=strategy, paths=paths)  # type: ignore[no-untyped-call]


def _verify(
    root: bytes, leaves: Mapping[bytes, Leaf], written: Collection[bytes], filtered: Collection[bytes]
) -> None:
    """A setting such as `core.symlinks=false` makes a checkout differ; evidence must not rest on that."""
    for path in sorted(written):
        want, where = leaves[path], os.path.join(root, path)
        if want.is_submodule:
            exact = stat.S_ISDIR(os.lstat(where).st_mode)
        else:
            exact = is_plain(os.lstat(where), want) if path in filtered else is_exactly(where, want)
        if not exact:
            shown = os.fsdecode(where)
            raise WorktreeBroken(f"{shown} is not as committed after a checkout: look at `git config -l`")


def _remove_unignored(repo: pygit2.Repository, survey: _Survey) -> None:
    with Trash(survey.root) as trash:  # last: now the tree's own rules are in place, not the agent's
        for path in survey.spared:
            where = os.path.join(survey.root, path)
            slash = "/" if stat.S_ISDIR(os.lstat(where).st_mode) else ""
            if not repo.path_is_ignored(os.fsdecode(path) + slash):
                trash.take(where)
