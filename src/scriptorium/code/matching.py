"""Whether what lies on the disk is just what a tree has there: kind, mode, content, and a name of its own."""

# Paths are bytes here: file names of an agent's choosing, which pathlib does not take.
# ruff: noqa: PTH115

from __future__ import annotations

import hashlib
import os
import stat

from pygit2.enums import FileMode

from scriptorium.code.nofollow import PIECE_BYTES
from scriptorium.code.trees import Leaf


def is_exactly(path: bytes, want: Leaf, fresh_mode: int | None = None) -> bool:
    """Whether what is at `path` is of the wanted kind and mode and holds the wanted bytes, unfiltered.

    With `fresh_mode`, the permissions of a folder that a checkout makes now, owner and permissions must be a
    new file's too.
    """
    found = os.lstat(path)
    if fresh_mode is not None and not _is_as_new(found, want, fresh_mode):
        return False
    if want.mode == FileMode.LINK:
        return stat.S_ISLNK(found.st_mode) and _blob_id(os.readlink(path)) == str(want.oid)
    return _is_alone(found, want) and _file_id(path, found.st_size) == str(want.oid)


def can_be_rewritten(path: bytes, want: Leaf, fresh_mode: int | None = None) -> bool:
    """Whether what is at `path` is as `is_exactly` wants it, but perhaps for the bytes."""
    found = os.lstat(path)
    return _is_alone(found, want) and (fresh_mode is None or _is_as_new(found, want, fresh_mode))


def _is_alone(found: os.stat_result, want: Leaf) -> bool:
    # A file with a second name may be one of the user's: writing to it would write to that one too.
    return is_plain(found, want) and found.st_nlink == 1


def _is_as_new(found: os.stat_result, want: Leaf, fresh_mode: int) -> bool:
    if found.st_uid != os.geteuid():
        return False
    written = 0o755 if want.mode == FileMode.BLOB_EXECUTABLE else 0o644  # what libgit2 asks for
    return not want.is_file or stat.S_IMODE(found.st_mode) == written & fresh_mode


def is_plain(found: os.stat_result, want: Leaf) -> bool:
    """Whether it is a file of the wanted mode that we may change and that is no danger to run."""
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
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while chunk := os.read(file, PIECE_BYTES):
            digest.update(chunk)
            if len(chunk) == size:
                break  # nobody writes to it: there is no more
    finally:
        os.close(file)
    return digest.hexdigest()
