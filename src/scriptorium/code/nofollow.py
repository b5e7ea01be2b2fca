"""Looking into a folder that an agent can write in, without following a link or waiting on a pipe.

The agent may be alive and may swap a folder for a link at any moment, so everything is opened relative to
an open folder, one component at a time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from scriptorium.code.removal import Trash

PIECE_BYTES = 64 * 1024
"""One read. Memory is taken for all that it asks for: for a MiB, that takes longer than to read a file."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def open_folder(trusted: Path) -> Iterator[int]:
    """A descriptor of a folder that is not itself a link; raises `OSError`."""
    descriptor = os.open(trusted, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_below(root: int, folder: bytes) -> Iterator[int]:
    """A descriptor of `folder` (b"a/b"; b"" is the root itself) below an open folder.

    Raises `OSError` when a component is missing, a link, or no folder.
    """
    current = os.dup(root)
    try:
        for part in folder.split(b"/") if folder else ():
            following = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


@contextlib.contextmanager
def open_file(name: bytes | str, folder: int) -> Iterator[int]:
    """A descriptor of the regular file `name` in an open folder; raises `OSError` for anything else."""
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fsdecode(name))
        yield descriptor
    finally:
        os.close(descriptor)


def is_there(root: int, path: bytes) -> bool:
    """Whether there is anything at `path` below an open folder."""
    folder, _, name = path.rpartition(b"/")
    try:
        with open_below(root, folder) as opened:
            os.lstat(name, dir_fd=opened)
    except OSError:
        return False
    return True


def read_bounded(descriptor: int, limit_bytes: int) -> bytes | None:
    """What is in an open file, to its end; None when it is more than `limit_bytes`."""
    parts: list[bytes] = []
    left = limit_bytes + 1
    while left > 0 and (part := os.read(descriptor, min(left, PIECE_BYTES))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts) if left > 0 else None


def read_small(path: Path, limit_bytes: int) -> bytes | None:
    """The content of a regular file of at most `limit_bytes`; None when it is missing or anything else.

    The folder that holds it is trusted; the file itself is not.
    """
    try:
        with open_folder(path.parent) as folder, open_file(path.name, folder) as descriptor:
            return read_bounded(descriptor, limit_bytes)
    except OSError:
        return None


def remove_file(trusted: Path, path: Path) -> None:
    """Remove what is at `path` below a trusted folder, if that can be had without following a link."""
    folder = b"/".join(map(os.fsencode, path.parent.parts))
    with contextlib.suppress(OSError), open_folder(trusted) as root, open_below(root, folder) as opened:
        os.unlink(path.name, dir_fd=opened)


def write_anew(path: Path, content: bytes) -> None:
    """Write a file by replacing it, so that a link in its place is not written through.

    One that holds just this already stays: making a file is the dearest thing that a checkout does.
    """
    if _is_our_file(path) and read_small(path, len(content) + 1) == content:
        return
    temporary = path.with_name(f"{path.name}.scriptorium")
    with contextlib.suppress(FileNotFoundError), Trash(os.fsencode(path.parent)) as trash:
        trash.take(os.fsencode(temporary))  # of a crash, or whatever an agent has put there
    with temporary.open("xb") as file:
        file.write(content)
    temporary.replace(path)


def _is_our_file(path: Path) -> bool:
    """Whether it is a plain file of one name, so that nobody can write to it from elsewhere."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1
