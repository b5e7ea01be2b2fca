"""Reading and writing refs: the only place in the package that moves one.

A write is a compare-and-swap. It tells the truth about its outcome even when an error was raised after
the ref had moved (a directory that could not be synced, say): the ref is read again before anything
is reported. pygit2's own `references.create(force=True)` loses updates and must not be used.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ReferenceType

from scriptorium.plan.freeing import freed_behind
from scriptorium.plan.ids import Oid

PLAN_REF: Final = "refs/heads/scriptorium/plan"
"""The ref of the plan branch."""

# libgit2 tells its errors apart by these words alone, as pygit2 passes them on.
_LOCK_ERROR = re.compile(r"failed to (?:lock file|create locked file) '(?P<path>.+)'")
_LOCK_HELD = re.compile(r"^failed to lock file|File exists")
_MISMATCH: Final = "old reference value does not match"

_fsync = False


class RefError(Exception):
    """A ref could not be read or written, and it stands where it stood."""


class RefMoved(RefError):
    """The ref was not where the caller last saw it: look at `tip` and decide again.

    `in_doubt` when an error left open whether the write took place before somebody else moved the ref on:
    then what was to be written may be in the history of `tip`.
    """

    def __init__(self, name: str, *, expected: Oid | None, tip: Oid | None, in_doubt: bool = False) -> None:
        super().__init__(f"{name} is at {tip or 'nothing'}, not at {expected or 'nothing'}")
        self.name = name
        self.expected = expected
        self.tip = tip
        self.in_doubt = in_doubt


class RefLocked(RefError):
    """Another writer holds the lock file `path`, or died and left it there. Try again in a moment."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(
            f"{name} is locked by {path}: if no git program is running in this repository, remove that file"
        )
        self.name = name
        self.path = path


def enable_fsync(on: bool = True) -> None:
    """Make every object and ref written from now on durable (`on`), or leave that to the system.

    libgit2 looks at this when a repository is opened, so it must be called before the first one is.
    """
    global _fsync  # noqa: PLW0603 - as in libgit2, whose setting it mirrors: that one cannot be read
    pygit2.settings.enable_fsync_gitdir(on)
    _fsync = on


def fsync_enabled() -> bool:
    """What `enable_fsync` was last told."""
    return _fsync


def read_ref(repo: pygit2.Repository, name: str) -> Oid | None:
    """Where the ref `name` (in full) stands, or None when there is no such ref.

    Raises:
        RefError: there is something by that name that is not a plain ref to an object.
    """
    reference = _lookup(repo, name)
    return None if reference is None else _target(reference)


def compare_and_swap(
    repo: pygit2.Repository,
    name: str,
    *,
    new: Oid,
    old: Oid | None,
    message: str = "",
    is_there: Callable[[], bool] | None = None,
) -> None:
    """Move the ref `name` from `old` (None: it must not exist) to `new`, or change nothing.

    `message` goes to the reflog. When this returns, the ref was at `new`. `is_there` says whether the
    repository has the object `new`, for who can tell for less than looking for it.

    Raises:
        RefMoved: the ref is not at `old`.
        RefLocked: the ref's lock file is held; the ref is still at `old`.
        RefError: any other failure; the ref is still at `old`.
    """
    try:
        if old is None:
            _require_room(repo, name)
        _require_object(repo, name, new, is_there)
        # The ref is read under its lock. libgit2's own ways look first and lock later: of two creators the
        # second would silently win, and each update would look for `new` in packs that others just made.
        with _file_freed_behind(repo, name, old), repo.transaction() as transaction:
            transaction.lock_ref(name)
            _require(name, expected=old, tip=read_ref(repo, name))
            transaction.set_target(name, new, None, message)
        _drop_second_name(repo, name)
    except RefError:
        raise
    except (pygit2.GitError, OSError, ValueError) as error:
        _settle(repo, name, error, new=new, old=old)


def decide_and_swap(
    repo: pygit2.Repository,
    name: str,
    decide: Callable[[], tuple[Oid, Oid]],
    *,
    message: str = "",
) -> None:
    """Move the ref `name` as `decide` says, which is asked while the ref is locked: nobody comes in between.

    It returns where the ref is to be, and where it must be; both the same changes nothing. What it raises
    comes out, and the ref is where it was. `message` goes to the reflog.

    Raises as `compare_and_swap` does.
    """
    is_asked = False
    change: tuple[Oid | None, Oid | None] | None = None
    try:
        with repo.transaction() as transaction:
            transaction.lock_ref(name)
            is_asked = True
            change = new, old = decide()
            if new != old:
                _require_object(repo, name, new, None)
                _require(name, expected=old, tip=read_ref(repo, name))
                transaction.set_target(name, new, None, message)
        _drop_second_name(repo, name)
    except (pygit2.GitError, OSError, ValueError) as error:
        if is_asked and change is None:
            raise
        wanted, expected = change or (None, read_ref(repo, name))
        _settle(repo, name, error, new=wanted, old=expected)


def delete_ref(repo: pygit2.Repository, name: str, *, old: Oid) -> None:
    """Delete the ref `name` if it still stands at `old`; one that is gone already is fine.

    Raises:
        RefMoved: the ref is somewhere else.
        RefLocked: the lock file of the ref or of packed-refs is held.
        RefError: any other failure; the ref is still at `old`.
    """
    try:
        reference = _lookup(repo, name)
        if reference is None:
            return
        _require(name, expected=old, tip=_target(reference))
        with _file_freed_behind(repo, name, old):
            reference.delete()
    except RefError:
        raise
    except (pygit2.GitError, OSError, ValueError) as error:
        _settle(repo, name, error, new=None, old=old)


def _file_freed_behind(
    repo: pygit2.Repository, name: str, old: Oid | None
) -> contextlib.AbstractContextManager[None]:
    """The file of a ref that is about to go, if it has one."""
    return contextlib.nullcontext() if old is None else freed_behind(f"{repo.path}{name}")


def _require_object(
    repo: pygit2.Repository, name: str, new: Oid, is_there: Callable[[], bool] | None
) -> None:
    if not (new in repo if is_there is None else is_there()):
        raise RefError(f"{name} cannot be put at {new}: there is no such object")


def _drop_second_name(repo: pygit2.Repository, name: str) -> None:
    """Remove the lock of a ref that was just written if it is still there.

    Where the ref had no file of its own, libgit2 gives the lock file the ref's name too, and takes no notice
    when its first cannot be removed.
    """
    lock = f"{repo.path}{name}.lock"
    with contextlib.suppress(OSError):
        if os.path.samestat(os.lstat(lock), os.lstat(f"{repo.path}{name}")):  # any other is another writer's
            Path(lock).unlink()


def _require_room(repo: pygit2.Repository, name: str) -> None:
    """A ref cannot be a folder too, and a packed one would not stop the file system from saying so."""
    parts = name.split("/")
    for length in range(2, len(parts)):
        parent = "/".join(parts[:length])
        if _lookup(repo, parent) is not None:
            raise RefError(
                f"{name} cannot be created while {parent} exists: rename it"
                f" (git branch -m {parts[length - 1]} …) and try again"
            )


def _settle(
    repo: pygit2.Repository, name: str, error: Exception, *, new: Oid | None, old: Oid | None
) -> None:
    """Return when the write took place in spite of `error`; else raise what is true."""
    tip = read_ref(repo, name)
    locked = _LOCK_ERROR.search(str(error))
    if locked is not None and not _LOCK_HELD.search(str(error)):
        locked = None
    # Refused for certain: if the ref is at `new` all the same, another writer wrote that very object.
    refused = locked is not None or _MISMATCH in str(error)
    if tip == new and not refused:
        return
    if tip != old:
        raise RefMoved(name, expected=old, tip=tip, in_doubt=not refused) from error
    if locked is not None:
        raise RefLocked(name, Path(locked["path"])) from error
    raise RefError(f"{name} could not be written: {error}") from error


def _require(name: str, *, expected: Oid | None, tip: Oid | None) -> None:
    if tip != expected:
        raise RefMoved(name, expected=expected, tip=tip)


def _lookup(repo: pygit2.Repository, name: str) -> pygit2.Reference | None:
    try:
        return repo.lookup_reference(name)
    except KeyError:
        return None
    except (pygit2.GitError, OSError, ValueError) as error:
        raise RefError(f"{name} cannot be read: {error}") from error


def _target(reference: pygit2.Reference) -> Oid:
    if reference.type != ReferenceType.DIRECT:
        raise RefError(f"{reference.name} is a symbolic ref, to {reference.target}; a plain one is needed")
    return Oid(str(reference.target))
