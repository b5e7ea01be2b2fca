"""Keeps a pack from `git gc` and `git repack` until a ref has what is in it.

Git lists the packs, then finds out what refs reach, and then deletes the packs of its list: what was only
written, and what it listed before the index was there, would be lost, however new it is. So git puts a file
`.keep` beside a pack of its own before the pack, and takes it away when the refs have moved. So do we.

A process makes one such file and gives it a further name for each pack: to create and free a file for each
costs more than all else that is done for it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import threading
import weakref
from pathlib import Path
from typing import Final

from attrs import frozen

OWN_PREFIX: Final = "scriptorium-keep-"
"""Of the name that a process's file has in the folder of objects, besides those that its packs give it."""

_SAYS: Final = b"scriptorium has written this pack, and no ref has it yet\n"
"""What is in a keep of ours. A person's, and git's, say something else or nothing."""

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.EMLINK, errno.EXDEV, errno.ENOTSUP, errno.ENOSYS})
_SERIAL: Final = itertools.count()


class _File:
    """A file that says it is a keep of ours, locked for as long as anybody here has this object.

    The lock tells a writer that lives from one that was killed. With the object its first name goes, and at
    the end of the process; further names are their holders' to take away.
    """

    def __init__(self, path: str) -> None:
        """Raises `FileExistsError` when there is something by that name, and `OSError`."""
        self.path = path
        self.handle = _locked(path)
        weakref.finalize(self, _drop, self.handle, path, os.getpid())

    @property
    def is_sound(self) -> bool:
        """Whether it has a name still, and what it said: names of it are within reach of others."""
        found = os.fstat(self.handle)
        return found.st_nlink > 0 and found.st_size == len(_SAYS)


def _locked(path: str) -> int:
    while True:
        handle = os.open(path, _NEW_FILE, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            if os.fstat(handle).st_nlink:
                os.pwrite(handle, _SAYS, 0)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # `sweep` came between: until it was locked it was nobody's


def _drop(handle: int, path: str, pid: int) -> None:
    with contextlib.suppress(OSError):
        # What a child has of it after a fork is its parent's.
        if pid == os.getpid() and os.path.samestat(os.lstat(path), os.fstat(handle)):
            os.unlink(path)  # noqa: PTH108 - as text: to make a path takes longer
    os.close(handle)


@frozen
class Keep:
    """A pack must stay, until `let_go`."""

    _path: str
    _file: _File

    @classmethod
    def of(cls, git_dir: Path, name: str) -> Keep:
        """Take it for the pack `name`, before that is among those of `git_dir`; raises `OSError`."""
        path = f"{git_dir}/objects/pack/{name}.keep"
        return cls(path, _take(git_dir, path))

    def let_go(self) -> None:
        """A ref has it, or nobody is to. One that cannot go is `sweep`'s when this process has ended."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)  # noqa: PTH108


_lock = threading.Lock()
_own: _File | None = None
"""In the git directory that was last asked for: a process works in one repository, but for tests."""


def _take(git_dir: Path, path: str) -> _File:
    """Make the name `path`, of this process's file or of one for it alone; `FileExistsError` if it is there.

    The file says what it is, and is locked, before it has the name: a kill at any moment leaves a keep that
    `sweep` knows, or none.
    """
    global _own  # noqa: PLW0603 - one for the process is the point
    with _lock:
        place = f"{git_dir}/objects/{OWN_PREFIX}{os.getpid()}-"
        for is_last in (False, True):
            if _own is None or not _own.path.startswith(place) or not _own.is_sound:
                _own = None
                _own = _new(place)
            try:
                os.link(_own.path, path)
            except FileExistsError:
                raise
            except OSError as error:
                _own = None  # its first name may be what is not there
                if error.errno in _NO_HARD_LINKS:
                    break
                if is_last or error.errno != errno.ENOENT:
                    raise
            else:
                return _own
    return _File(path)


def _new(place: str) -> _File:
    while True:
        with contextlib.suppress(FileExistsError):  # of one that was killed, and had the same pid
            return _File(f"{place}{next(_SERIAL)}")


def sweep_own(git_dir: Path) -> None:
    """Remove the files of processes that were killed; the names that packs gave them are for `sweep`."""
    for path in (git_dir / "objects").glob(f"{OWN_PREFIX}*"):
        with contextlib.suppress(OSError):
            sweep(path)


def sweep(path: Path) -> None:
    """Remove a keep of a writer that was killed, and no other. Raises `OSError` when that is not allowed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        said = os.pread(handle, len(_SAYS) + 1, 0)
        # A person's is beside a pack; a writer says what it is for before there is one.
        if said == _SAYS or (not said and not path.with_suffix(".pack").exists()):
            _remove_unless_held(path, handle)
    finally:
        os.close(handle)


def _remove_unless_held(path: Path, handle: int) -> None:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink:
            path.unlink(missing_ok=True)
