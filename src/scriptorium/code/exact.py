"""Bringing a worktree that an agent wrote in to exactly the tree of a commit, as checks need it.

Everything in the worktree is hostile: links, permissions, nested repositories, hard links to files
elsewhere, the index with its cached stat data. Nothing is followed or believed. What already is as it
should be stays, so that the cost is that of the difference (and of reading the files once).
The processes of the run must be gone: a path is looked at and then used.
"""

# Paths are bytes here: file names of an agent's choosing, which pathlib does not take.
# ruff: noqa: PTH108, PTH115, PTH118, PTH123

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import pygit2
from attrs import define, field
from pygit2.enums import CheckoutStrategy, ConfigLevel, FileMode, FilterMode

from scriptorium.code.nofollow import write_anew
from scriptorium.code.removal import Trash, open_up
from scriptorium.code.repository import Project, common_dir, open_repository
from scriptorium.code.trees import Folder, Leaf, RawPath, read_tree
from scriptorium.plan.ids import Oid

KEPT_OF_GIT_DIR: Final = frozenset({b"HEAD", b"commondir", b"gitdir", b"locked", b"logs"})
"""Of the worktree's own git directory; the index, locks, open merges and settings in it are the agent's."""
CHUNK_BYTES: Final = 1024 * 1024


class WorktreeBroken(Exception):
    """The worktree cannot be brought to a commit: make it anew. The text says what is wrong with it."""


@define
class _Survey:
    """What the walk over a worktree found: `present` as wanted, `spared` for the moment as `keep` asks."""

    root: bytes
    keep: frozenset[bytes]
    present: set[bytes] = field(factory=set)
    spared: list[bytes] = field(factory=list)


def reset_to_commit(
    project: Project, worktree: Path, commit: Oid, keep_ignored: Collection[str] = ()
) -> None:
    """Make `worktree` hold exactly the tree of `commit`, with HEAD detached there.

    Files that the tree does not have are removed, ignored ones too, except those whose name, or path from
    the worktree's root, is in `keep_ignored` and which the tree's own rules ignore. A submodule is left
    as an empty folder. Done twice, or again after a crash in the middle, the result is the same.

    Raises:
        WorktreeBroken: it is not a worktree of this project below `.scriptorium/worktrees`, or the
            repository's settings keep a checkout from being exact.
        UnsafeTree: the tree cannot be checked out by anyone.
        KeyError: there is no such commit.
        OSError: the system forbids a step, or the disk is full.
    """
    own_dir = _own_git_dir(project, worktree)
    # Objects come from the main repository: the worktree's settings are not to be trusted yet.
    leaves, folders = read_tree(open_repository(project), commit)
    root = os.fsencode(worktree)
    _restore_git_dir(worktree, own_dir, commit)
    survey = _Survey(root, frozenset(os.fsencode(name) for name in keep_ignored))
    with Trash(root) as trash:
        _clear(survey, folders, trash)
    repo = pygit2.Repository(str(own_dir))
    tree = repo[commit].peel(pygit2.Tree)
    # Nothing of the old index is used. Attributes are looked up in it when a file of them is missing.
    repo.index.read_tree(tree)
    repo.index.write()
    filtered = _filtered(repo, leaves)
    for path in survey.present & filtered:
        os.unlink(os.path.join(root, path))
    missing = leaves.keys() - (survey.present - filtered)
    _check_out(repo, tree, missing)
    _verify(root, leaves, missing, filtered)
    _remove_unignored(repo, survey)


def _own_git_dir(project: Project, worktree: Path) -> Path:
    """The worktree's directory in the repository, found from that side: its `.git` file is the agent's."""
    if Path(os.path.realpath(worktree)) != worktree or project.worktrees_dir not in worktree.parents:
        raise WorktreeBroken(f"{worktree} is not a folder of its own below {project.worktrees_dir}")
    if not worktree.is_dir():
        raise WorktreeBroken(f"{worktree} is gone")
    found = [
        pointer.parent
        for pointer in sorted(project.git_dir.glob("worktrees/*/gitdir"))
        if not pointer.parent.is_symlink() and _points_to(pointer, worktree / ".git")
    ]
    if len(found) != 1:
        raise WorktreeBroken(f"{worktree}: git knows {len(found)} worktrees there, not one")
    return found[0]


def _points_to(pointer: Path, target: Path) -> bool:
    try:
        named = os.fsdecode(pointer.read_bytes().rstrip(b"\n"))
    except OSError:
        return False
    # It may be written relative to its own folder. Links are not resolved: `.git` itself could be one.
    return os.path.normpath(pointer.parent / named) == str(target)


def _restore_git_dir(worktree: Path, own_dir: Path, commit: Oid) -> None:
    """Everything that git reads about the worktree is written anew or removed."""
    folder = os.fsencode(own_dir)
    open_up(os.fsencode(worktree))
    open_up(folder)
    with Trash(folder) as trash, os.scandir(folder) as entries:
        for entry in entries:
            if entry.name not in KEPT_OF_GIT_DIR or entry.is_symlink():
                trash.take(entry.path)
    write_anew(own_dir / "HEAD", f"{commit}\n".encode())
    write_anew(own_dir / "commondir", b"../..\n")
    write_anew(own_dir / "gitdir", os.fsencode(worktree / ".git") + b"\n")
    link = worktree / ".git"
    if link.is_dir() and not link.is_symlink():
        with Trash(os.fsencode(worktree)) as trash:
            trash.take(os.fsencode(link))
    write_anew(link, b"gitdir: " + folder + b"\n")


def _clear(survey: _Survey, wanted: Folder, trash: Trash) -> None:
    """Remove whatever is not in `wanted`, or not of the kind or content that is wanted there."""
    waiting: list[tuple[bytes, Folder]] = [(b"", wanted)]
    while waiting:
        prefix, folder = waiting.pop()
        where = os.path.join(survey.root, prefix)
        open_up(where)
        with os.scandir(where) as entries:
            # Read to its end before anything is removed: a folder that changes may be read in part.
            found = list(entries)
        for entry in found:
            path = prefix + entry.name
            below = _look(survey, entry, path, folder.get(entry.name), trash)
            if below is not None:
                waiting.append((path + b"/", below))


def _look(
    survey: _Survey, entry: os.DirEntry[bytes], path: bytes, want: Leaf | Folder | None, trash: Trash
) -> Folder | None:
    """Deal with one entry of a folder; a folder that stays is returned, to be walked in its turn."""
    if path == b".git":
        return None
    is_folder = entry.is_dir(follow_symlinks=False)
    if want is None and not entry.is_symlink() and survey.keep & {path, entry.name}:
        survey.spared.append(path)
        return None
    if is_folder and isinstance(want, dict):
        return want
    if is_folder and isinstance(want, Leaf) and want.is_submodule:
        survey.present.add(path)
        return {}
    if isinstance(want, Leaf) and not is_folder and _is_exactly(entry.path, want):
        survey.present.add(path)
    else:
        trash.take(entry.path)
    return None


def _is_exactly(path: bytes, want: Leaf) -> bool:
    """Whether what is at `path` is of the wanted kind and mode and holds the wanted bytes, unfiltered."""
    found = os.lstat(path)
    if want.mode == FileMode.LINK:
        return stat.S_ISLNK(found.st_mode) and _blob_id(os.readlink(path)) == str(want.oid)
    # A file with a second name may be one of the user's: writing to it would write to that one too.
    return _is_plain(found, want) and found.st_nlink == 1 and _file_id(path, found.st_size) == str(want.oid)


def _is_plain(found: os.stat_result, want: Leaf) -> bool:
    special = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
    executable = want.mode == FileMode.BLOB_EXECUTABLE
    return (
        want.is_file
        and stat.S_ISREG(found.st_mode)
        and found.st_mode & (0o600 | special) == 0o600
        and bool(found.st_mode & 0o100) == executable
    )


def _blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _file_id(path: bytes, size: int) -> str:
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _filtered(repo: pygit2.Repository, leaves: Mapping[bytes, Leaf]) -> set[bytes]:
    """The files that a checkout writes otherwise than they are stored (line ends, `ident`)."""
    if not _may_filter(repo, leaves):
        return set()
    return {
        path
        for path, leaf in leaves.items()
        if leaf.is_file and repo.load_filter_list(path, FilterMode.TO_WORKTREE) is not None  # type: ignore[arg-type]
    }


def _may_filter(repo: pygit2.Repository, leaves: Mapping[bytes, Leaf]) -> bool:
    """False when nothing names a filter anywhere. Asking for each file costs as much as reading it."""
    if any(path.endswith(b".gitattributes") for path in leaves):
        return True
    if "core.autocrlf" in repo.config or "core.attributesfile" in repo.config:
        return True
    found = pygit2.settings.search_path
    places = [f"{common_dir(Path(repo.path))}/info/attributes"]
    places += [f"{folder}/attributes" for folder in found[ConfigLevel.XDG].split(":")]
    places += [f"{folder}/gitattributes" for folder in found[ConfigLevel.SYSTEM].split(":")]
    return any(os.path.lexists(place) for place in places)


def _check_out(repo: pygit2.Repository, tree: pygit2.Tree, missing: Collection[bytes]) -> None:
    if not missing:
        return  # An empty list would mean every file.
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
            exact = _is_plain(os.lstat(where), want) if path in filtered else _is_exactly(where, want)
        if not exact:
            shown = os.fsdecode(where)
            raise WorktreeBroken(f"{shown} is not as committed after a checkout: look at `git config -l`")


def _remove_unignored(repo: pygit2.Repository, survey: _Survey) -> None:
    """Whether something is ignored is asked last, when the tree's own rules are in place, not the agent's."""
    with Trash(survey.root) as trash:
        for path in survey.spared:
            where = os.path.join(survey.root, path)
            slash = "/" if stat.S_ISDIR(os.lstat(where).st_mode) else ""
            if not repo.path_is_ignored(os.fsdecode(path) + slash):
                trash.take(where)
