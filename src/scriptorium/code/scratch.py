"""A planner's scratch folder: a plain export of the plan branch that an untrusted agent may write in.

It has an empty git repository of its own, so that an agent's git command never walks up into the user's
repository. What comes back is read without following a link, and is bounded.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import pygit2
from attrs import frozen

from scriptorium.plan.ids import Oid

FILE_LIMIT_BYTES = 1024 * 1024
"""A planned document larger than this is not read."""
ENTRY_LIMIT = 10_000
"""Directory entries that are looked at, so that a planner that fills its folder costs a bounded time."""


@frozen
class Scratch:
    """An exported folder and what was put into it: path below `root` -> content."""

    root: Path
    exported: Mapping[str, bytes]


@frozen
class Returned:
    """What a planner left in its scratch folder.

    `files` are the regular files of readable size, new and old; `changed` the paths whose content is new or
    different; `removed` exported paths that are gone; `odd` what is neither file nor folder, or is too large.
    `exported_paths` were there before the planner came.
    """

    exported_paths: frozenset[str]
    files: Mapping[str, bytes]
    changed: frozenset[str]
    removed: frozenset[str]
    odd: tuple[str, ...]


def export(git_dir: Path, commit: Oid, root: Path) -> Scratch:
    """Write the tree of the plan commit to the new folder `root`, with an empty `.git` beside it.

    A left-over folder of that name (a crash in an earlier life) is removed first. Only blobs are written,
    as plain files: a link in the tree would be a way out of the folder.
    """
    discard(root)
    root.mkdir(parents=True, mode=0o700)
    pygit2.init_repository(str(root), initial_head="scratch")
    repository = pygit2.Repository(str(git_dir))
    tree = repository[commit].peel(pygit2.Tree)
    exported: dict[str, bytes] = {}
    for path, blob in _blobs(tree, PurePosixPath()):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(blob.data)
        exported[str(path)] = blob.data
    return Scratch(root, exported)


def _blobs(tree: pygit2.Tree, under: PurePosixPath) -> Iterator[tuple[PurePosixPath, pygit2.Blob]]:
    for entry in tree:
        path = under / (entry.name or "")
        if isinstance(entry, pygit2.Tree):
            yield from _blobs(entry, path)
        elif isinstance(entry, pygit2.Blob) and entry.filemode != pygit2.enums.FileMode.LINK:
            yield path, entry


def read_back(scratch: Scratch) -> Returned:
    """Look at what the planner left. Links are never followed; `.git` is not looked at."""
    files: dict[str, bytes] = {}
    odd: list[str] = []
    for path, entry in _entries(scratch.root):
        content = _read(entry)
        if content is None:
            odd.append(path)
        else:
            files[path] = content
    changed = frozenset(path for path, content in files.items() if scratch.exported.get(path) != content)
    removed = frozenset(scratch.exported.keys() - files.keys() - set(odd))
    return Returned(frozenset(scratch.exported), files, changed, removed, tuple(odd))


def _entries(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below `root` but folders and the top `.git`, path and entry, at most `ENTRY_LIMIT`."""
    seen = 0
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            listing = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in listing:
            seen += 1
            if seen > ENTRY_LIMIT:
                return
            path = f"{folder}/{entry.name}" if folder else entry.name
            if path == ".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
            else:
                yield path, entry


def _read(entry: os.DirEntry[str]) -> bytes | None:
    """The content of a regular file of readable size, else None. Never blocks on a pipe or a device."""
    try:
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        content = file.read(FILE_LIMIT_BYTES + 1)
    return content if len(content) <= FILE_LIMIT_BYTES else None


def discard(root: Path) -> None:
    """Remove a scratch folder, if it is there. What cannot be removed is left for the next start."""
    if root.is_symlink():
        root.unlink()
    shutil.rmtree(root, ignore_errors=True)
