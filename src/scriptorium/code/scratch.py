"""A planner's scratch folder: a plain export of the plan branch that an untrusted agent may write in.

It has an empty git repository of its own, so that an agent's git command never walks up into the user's
repository. What comes back is read without following a link, and is bounded.
"""

from __future__ import annotations

import contextlib
import errno
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
EXPORT_LIMIT_BYTES = 8 * 1024 * 1024
"""A larger file is not exported: the plan sets it aside too."""
EXPORT_DEPTH = 32
"""Folders within folders that are exported: the plan's own are three deep."""
_NO_FILE = frozenset(
    {errno.ENAMETOOLONG, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.EILSEQ}
)
"""What a file system says of a name that it cannot have, or has already as something else."""

NAME_LIMIT_BYTES = 255
"""What Linux allows. A tree may hold longer names, which stop no planner: they are of no file of the plan."""
DEPTH_LIMIT = 8
"""Folders within folders: twice as deep as the plan's layout."""


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
    What cannot be a file, or cannot be read, is left out: one planted name must not end all planning.
    """
    discard(root)
    root.mkdir(parents=True, mode=0o700)
    pygit2.init_repository(str(root), initial_head="scratch")
    repository = pygit2.Repository(str(git_dir))
    tree = repository[commit].peel(pygit2.Tree)
    exported: dict[str, bytes] = {}
    for path, blob in _blobs(tree, PurePosixPath()):
        content = _content(blob)
        if content is not None and _write(root / path, content):
            exported[str(path)] = content
    return Scratch(root, exported)


def _blobs(tree: pygit2.Tree, under: PurePosixPath) -> Iterator[tuple[PurePosixPath, pygit2.Blob]]:
    for entry in _entries_of(tree):
        if entry.name in {None, "", ".", ".."} or "/" in entry.name or entry.name.lower() == ".git":
            continue  # agents can write the plan branch's objects by hand
        if len(os.fsencode(entry.name)) > NAME_LIMIT_BYTES or len(under.parts) >= DEPTH_LIMIT:
            continue
        path = under / entry.name
        if isinstance(entry, pygit2.Tree):
            if len(path.parts) < EXPORT_DEPTH:
                yield from _blobs(entry, path)
        elif isinstance(entry, pygit2.Blob) and entry.filemode != pygit2.enums.FileMode.LINK:
            yield path, entry


def _entries_of(tree: pygit2.Tree) -> tuple[pygit2.Object, ...]:
    """What is in a folder of the plan; nothing when the repository lacks it, or has something else there."""
    with contextlib.suppress(KeyError, pygit2.GitError):
        return tuple(tree)
    return ()


def _content(blob: pygit2.Blob) -> bytes | None:
    """What is in a file of the plan; None when it is too large, or when the repository lacks it."""
    with contextlib.suppress(KeyError, pygit2.GitError):
        return blob.data if blob.size <= EXPORT_LIMIT_BYTES else None
    return None


def _write(target: Path, content: bytes) -> bool:
    """Write a file; False when the file system cannot have one of that name there."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        return False
    return True


def read_back(scratch: Scratch) -> Returned:
    """Look at what the planner left. Links are never followed; `.git` is not looked at."""
    files: dict[str, bytes] = {}
    odd: list[str] = []
    total = -sum(map(len, scratch.exported.values()))
    entries, overfull = _entries(scratch.root, ENTRY_LIMIT + len(scratch.exported))
    for path, entry in entries:
        content = _read(entry, max(FILE_LIMIT_BYTES, len(scratch.exported.get(path, b""))))
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


def _read(entry: os.DirEntry[str], limit: int) -> bytes | None:
    """The content of a regular file of at most `limit` bytes, else None. Never waits on a pipe."""
    try:
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        content = file.read(limit + 1)
    return content if len(content) <= limit else None


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
