"""A planner's scratch folder: a plain export of the plan branch that an untrusted agent may write in.

It has an empty git repository of its own, so that an agent's git command never walks up into the user's
repository. What comes back is read without following a link, and is bounded.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import pygit2
from attrs import frozen

from scriptorium.code.removal import Trash
from scriptorium.plan.ids import Oid

FILE_LIMIT_BYTES = 1024 * 1024
"""A planned document larger than this is not read."""
ENTRY_LIMIT = 10_000
"""Looked at in a folder, beyond those exported: a planner that fills it costs a bounded time."""
TOTAL_LIMIT_BYTES = 64 * 1024 * 1024
"""What is read beyond as much as was exported: far more than a planner writes, far less than the memory."""


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
    `exported_paths` were there before the planner came. `overfull`: there is more than is looked at, so that
    nothing can be said of what is missing here.
    """

    exported_paths: frozenset[str]
    files: Mapping[str, bytes]
    changed: frozenset[str]
    removed: frozenset[str]
    odd: tuple[str, ...]
    overfull: bool = False


def export(git_dir: Path, commit: Oid, root: Path) -> Scratch:
    """Write the tree of the plan commit to the new folder `root`, with an empty `.git` beside it.

    A left-over folder of that name (a crash in an earlier life) is removed first. Only blobs are written,
    as plain files: a link in the tree, or a name that git would not write, would be a way out of the folder.
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
        if entry.name in {None, "", ".", ".."} or "/" in entry.name or entry.name.lower() == ".git":
            continue  # agents can write the plan branch's objects by hand
        path = under / entry.name
        if isinstance(entry, pygit2.Tree):
            yield from _blobs(entry, path)
        elif isinstance(entry, pygit2.Blob) and entry.filemode != pygit2.enums.FileMode.LINK:
            yield path, entry


def read_back(scratch: Scratch) -> Returned:
    """Look at what the planner left. Links are never followed; `.git` is not looked at."""
    files: dict[str, bytes] = {}
    odd: list[str] = []
    total = -sum(map(len, scratch.exported.values()))
    entries, overfull = _entries(scratch.root, ENTRY_LIMIT + len(scratch.exported))
    for path, entry in entries:
        content = _read(entry)
        total += len(content or b"")
        if total > TOTAL_LIMIT_BYTES:
            overfull = True
            break
        if content is None:
            odd.append(path)
        else:
            files[path] = content
    changed = frozenset(path for path, content in files.items() if scratch.exported.get(path) != content)
    removed = frozenset(scratch.exported.keys() - files.keys() - set(odd))
    return Returned(frozenset(scratch.exported), files, changed, removed, tuple(odd), overfull)


def _entries(root: Path, limit: int) -> tuple[list[tuple[str, os.DirEntry[str]]], bool]:
    """Everything below `root` but folders and the top `.git`, by path, and whether there was too much."""
    found: list[tuple[str, os.DirEntry[str]]] = []
    seen = 0
    pending = [""]
    while pending:
        folder = pending.pop()
        with contextlib.suppress(OSError), os.scandir(root / folder) as listing:
            for entry in listing:
                seen += 1
                if seen > limit:
                    return found, True
                path = f"{folder}/{entry.name}" if folder else entry.name
                if path == ".git":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                else:
                    found.append((path, entry))
    return sorted(found, key=lambda pair: pair[0]), False


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
    if os.path.lexists(root):
        with contextlib.suppress(OSError), Trash(os.fsencode(root.parent)) as trash:
            trash.take(os.fsencode(root))


def discard_all(folder: Path) -> None:
    """Remove all that is in the folder of scratch folders: none of them is in use."""
    if folder.is_symlink():
        folder.unlink()
    if folder.is_dir():
        for left in list(folder.iterdir()):
            discard(left)
