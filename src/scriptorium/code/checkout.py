"""The user's checkouts of the base branch: which there are, their lock, and what stands in a landing's way.

Looking changes nothing. `advance.py` moves the files.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import pygit2
from attrs import frozen
from pygit2.enums import FileMode

from scriptorium.code.linked import Others, worktrees_of_others
from scriptorium.code.repository import Project
from scriptorium.code.trees import Change, Leaf

LOCK_MARK: Final = b"scriptorium is landing a ticket\n"
"""The whole content of an index.lock that is ours; git's own begin with an index, or are empty."""
NEW_SUFFIX: Final = ".scriptorium-new"
"""Of a file on its way into place: a lock, the new index, or a file that comes from another file system."""
_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""Of a file system that has none."""
UNFINISHED: Final = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
"""What an open merge, cherry-pick, revert or rebase leaves in a checkout's git directory."""
NAMED_OBSTACLES: Final = 20
"""How many files of one folder that is in the way are named."""


class IndexLocked(Exception):
    """The user's git holds `path`, the lock of a checkout's index, or died and left it there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists: a git program is running there, or has left it behind")
        self.path = path


class Stand(enum.Enum):
    """Where a file of a checkout stands in a change from one tree to another."""

    SOURCE = "still as in the source tree"
    TARGET = "already as in the target tree"
    OTHER = "neither: somebody's own work"


@frozen
class Checkout:
    """A checkout of the base branch that is not scriptorium's own: its folder and its own git directory."""

    folder: Path
    git_dir: Path

    def open(self) -> pygit2.Repository:
        return pygit2.Repository(str(self.folder if self.knows_its_repository else self.git_dir))

    @property
    def knows_its_repository(self) -> bool:
        """Whether there is a `.git`: not where `core.worktree` names the folder, nor where it is gone."""
        return os.path.lexists(self.folder / ".git")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every git program from changing this checkout or its branch for the length of the block.

        The lock is git's own. A crash leaves it with our mark in it, and then the next to lock takes it over.

        Raises:
            IndexLocked: somebody else has it.
        """
        self.release_stale_lock()
        lock = self.git_dir / "index.lock"
        try:
            _make_lock(lock, self.git_dir / f"index{NEW_SUFFIX}")
        except FileExistsError:
            raise IndexLocked(lock) from None
        try:
            yield
        finally:
            # What was done under the lock is done. One that stays has our mark, and the next to lock, or the
            # next start, removes it.
            with contextlib.suppress(OSError):
                lock.unlink()

    def release_stale_lock(self) -> None:
        """Remove a lock that an earlier landing left here; only one landing at a time takes it."""
        if is_our_lock(self.git_dir / "index.lock"):
            (self.git_dir / "index.lock").unlink()


def _make_lock(lock: Path, new: Path) -> None:
    """Make a lock that has our mark from its first moment: one without would look like git's after a kill.

    Raises `FileExistsError` when there is a lock.
    """
    new.unlink(missing_ok=True)
    try:
        _write_mark(new)
        os.link(new, lock)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _write_mark(lock)
    finally:
        with contextlib.suppress(OSError):
            new.unlink()


def _write_mark(path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    with os.fdopen(handle, "wb") as file:
        file.write(LOCK_MARK)


def is_our_lock(path: Path) -> bool:
    """Whether `path` is an index lock that a landing of ours made."""
    try:
        with path.open("rb") as file:
            return file.read(len(LOCK_MARK) + 1) == LOCK_MARK
    except OSError:
        return False


def checkouts_of(project: Project, branch: str, others: Others | None = None) -> tuple[Checkout, ...]:
    """The checkouts that a move of `branch` must take along: the main one and linked ones.

    Scriptorium's own worktrees do not count, nor does one whose folder is gone. `others` is what
    `worktrees_of_others` has found just now, None to look.
    """
    found = [] if project.bare else [Checkout(project.root, project.git_dir)]
    if others is None:
        others = worktrees_of_others(project)
    linked = (Checkout(folder, own) for own, folder in others)
    found += [checkout for checkout in linked if checkout.knows_its_repository]
    return tuple(checkout for checkout in found if head_of(checkout.git_dir) == f"refs/heads/{branch}")


def rebases_of(project: Project, branch: str, others: Others) -> tuple[Path, ...]:
    """Rebases of `branch` that are under way; each would fail at its end if the branch had moved.

    `others` is what `worktrees_of_others` has found just now: a rebase in a worktree of scriptorium's own
    does not count, as an agent cannot keep others from landing.
    """
    folders = [project.git_dir, *(own for own, _ in others)]
    names = [folder / kind / "head-name" for folder in folders for kind in ("rebase-merge", "rebase-apply")]
    return tuple(name.parent for name in names if _first_line(name) == f"refs/heads/{branch}")


def obstacles(checkout: Checkout, changes: Sequence[Change]) -> tuple[Path, ...]:
    """The files that keep a checkout, whose index is locked, from making `changes` without losing anything.

    Empty when every file in question is as in the source tree, in the index as on disk, nothing untracked or
    ignored is where a file has to go, and no merge or the like is open.
    """
    unfinished = [checkout.git_dir / name for name in UNFINISHED if os.path.lexists(checkout.git_dir / name)]
    if unfinished:
        return tuple(unfinished)
    try:
        site = Site(checkout)
        if site.index.conflicts is not None:
            sides = next(iter(site.index.conflicts))
            return (checkout.folder / str(next(side.path for side in sides if side is not None)),)
    except (pygit2.GitError, OSError):
        return (checkout.git_dir / "index",)
    leaving = going(changes)
    found: dict[Path, None] = {}
    for change in changes:
        if staged(site.index, change.path) != change.source or not site.holds(change.path, change.source):
            found[site.at(change.path)] = None
        else:
            found.update(dict.fromkeys(site.in_the_way(change, leaving)))
    return tuple(found)


def going(changes: Sequence[Change]) -> frozenset[bytes]:
    """The paths at which no file will be left."""
    return frozenset(change.path for change in changes if change.target is None)


class Site:
    """A checkout as it is found: compares single files with what a tree has, links never followed."""

    def __init__(self, checkout: Checkout) -> None:
        self.repo = checkout.open()
        self.index = self.repo.index
        self._folder = os.fsencode(checkout.folder)
        self._executable_bits = "core.filemode" not in self.repo.config or self.repo.config.get_bool(
            "core.filemode"
        )

    def at(self, path: bytes) -> Path:
        return Path(os.fsdecode(os.path.join(self._folder, path)))  # noqa: PTH118 - bytes

    def stand(self, change: Change) -> Stand:
        if self.holds(change.path, change.source):
            return Stand.SOURCE
        return Stand.TARGET if self.holds(change.path, change.target) else Stand.OTHER

    def holds(self, path: bytes, leaf: Leaf | None) -> bool:
        """Whether the checkout has at `path` just what a tree has there. None: no file; a folder is none."""
        where = self.at(path)
        kind = None if self._blocked_above(path) else _kind(where)
        if leaf is None or leaf.is_submodule:
            return kind is None or stat.S_ISDIR(kind)
        if kind is None:
            return False
        if leaf.mode == FileMode.LINK:
            return stat.S_ISLNK(kind) and blob_id(os.fsencode(where.readlink())) == leaf.oid
        executable = leaf.mode == FileMode.BLOB_EXECUTABLE
        return (
            stat.S_ISREG(kind)
            and (not self._executable_bits or bool(kind & 0o100) == executable)
            and self.repo.hashfile(os.fsdecode(path)) == leaf.oid
        )

    def in_the_way(self, change: Change, leaving: Collection[bytes]) -> list[Path]:
        """What is where a file has to go for `change`, apart from the files that are `leaving`."""
        path, source, target = change.path, change.source, change.target
        if target is None or (target.is_submodule and source is not None and source.is_submodule):
            return []
        above = self._blocked_above(path)
        if above is not None:
            return [] if above in leaving else [self.at(above)]
        found: list[Path] = []
        if (kind := _kind(self.at(path))) is not None and stat.S_ISDIR(kind):
            for parent, folders, files in os.walk(self.at(path)):
                links = [name for name in folders if Path(parent, name).is_symlink()]
                for name in (*files, *links):
                    inside = Path(parent, name)
                    if os.fsencode(inside)[len(self._folder) + 1 :] not in leaving:
                        found.append(inside)
                if len(found) >= NAMED_OBSTACLES:
                    break
        return found[:NAMED_OBSTACLES]

    def _blocked_above(self, path: bytes) -> bytes | None:
        """The nearest to the root of the folders above `path` that is there but is not a folder."""
        parts = path.split(b"/")
        for length in range(1, len(parts)):
            above = b"/".join(parts[:length])
            kind = _kind(self.at(above))
            if kind is None:
                return None
            if not stat.S_ISDIR(kind):
                return above
        return None


def staged(index: pygit2.Index, path: bytes) -> Leaf | None:
    """What an index has at `path`."""
    try:
        entry = index[os.fsdecode(path)]
    except KeyError:
        return None
    return Leaf(FileMode(entry.mode), entry.id)


def blob_id(data: bytes) -> pygit2.Oid:
    """The id that git gives to a file of this content."""
    return pygit2.Oid(hex=hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())


def _kind(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def head_of(git_dir: Path) -> str | None:
    """The full name of the branch that a checkout is on; None when its HEAD is detached."""
    line = _first_line(git_dir / "HEAD")
    return line.removeprefix("ref:").strip() if line.startswith("ref:") else None


def _first_line(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes()).partition("\n")[0].strip()
    except OSError:
        return ""
