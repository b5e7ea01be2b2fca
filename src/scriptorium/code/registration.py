"""Git's registry of linked worktrees, as files: `<git dir>/worktrees/<name>/` and each worktree's `.git`.

Written by hand (the format is gitrepository-layout(5)) because libgit2's `add_worktree` checks files out with
the interpreter's lock held. Reading believes nothing that an agent could have written: a worktree is what
the registry says it is, not what its `.git` file says.
"""

from __future__ import annotations

import contextlib
import os
import stat
from enum import Enum
from pathlib import Path
from typing import Final

import pygit2
from attrs import frozen

from scriptorium.code.nofollow import read_small, write_anew
from scriptorium.code.removal import Trash, open_up
from scriptorium.code.repository import Project
from scriptorium.code.wholeness import ObjectsVanished
from scriptorium.plan.freeing import freed_behind
from scriptorium.plan.ids import InvalidName, Oid, parse_oid
from scriptorium.plan.refs import RefError, read_ref

NO_COMMIT: Final = Oid("0" * 40)
"""Git's word for none."""

BEING_PREPARED = "scriptorium is preparing this worktree\n"
"""In git's `locked` file until a worktree is complete. Found at the next start, it is a half-made one."""

_POINTER_LIMIT_BYTES = 16 * 1024
"""Longer than any path that the system takes."""


@frozen
class Registration:
    """One linked worktree: the folder and the directory that git keeps for it (index, HEAD, open merges)."""

    worktree: Path
    own_dir: Path


@frozen
class Head:
    """What a worktree's HEAD says: a full ref name, or a commit when it is detached."""

    ref: str | None
    commit: Oid | None

    @property
    def branch(self) -> str | None:
        """The short name of the branch, None when HEAD is not on one."""
        if self.ref is None or not self.ref.startswith("refs/heads/"):
            return None
        return self.ref.removeprefix("refs/heads/")


class Link(Enum):
    """What a worktree's `.git` is."""

    SOUND = "it leads to the worktree's registration"
    MISSING = "it is gone"
    WRONG = "it is something else"


def registrations(project: Project) -> tuple[Registration, ...]:
    """Every linked worktree that git knows of, whether its folder exists or not, by name."""
    found: list[Registration] = []
    try:
        names = sorted(os.listdir(project.git_dir / "worktrees"))  # noqa: PTH208 - names are all that is wanted
    except FileNotFoundError:
        return ()
    for name in names:
        own_dir = project.git_dir / "worktrees" / name
        pointer = read_small(own_dir / "gitdir", _POINTER_LIMIT_BYTES)
        if pointer is not None:
            # Newer gits may write the path relative to the directory it stands in.
            link = Path(os.path.normpath(own_dir / os.fsdecode(pointer.rstrip(b"\n"))))
            found.append(Registration(link.parent, own_dir))
    return tuple(found)


def registrations_of(project: Project, worktree: Path) -> tuple[Registration, ...]:
    """What git has registered at a path: one when all is well."""
    return tuple(found for found in registrations(project) if found.worktree == worktree)


def read_head(own_dir: Path) -> Head | None:
    """HEAD of a registration; None when it cannot be read as one."""
    text = read_small(own_dir / "HEAD", _POINTER_LIMIT_BYTES)
    if text is None:
        return None
    line = os.fsdecode(text).strip()
    if line.startswith("ref:"):
        return Head(line.removeprefix("ref:").strip(), None)
    try:
        return Head(None, parse_oid(line))
    except InvalidName:
        return None


def head_commit(repo: pygit2.Repository, own_dir: Path) -> Oid | None:
    """The commit that a worktree's HEAD leads to; None when it is unreadable, unborn or no commit.

    Raises `ObjectsVanished` when it names what the repository does not have: `mending.py` is the way on.
    """
    named = named_by_head(repo, own_dir)
    if named is None:
        return None
    if named not in repo:
        raise ObjectsVanished("HEAD", named, named)
    return named if isinstance(repo.get(named), pygit2.Commit) else None


def named_by_head(repo: pygit2.Repository, own_dir: Path) -> Oid | None:
    """The commit that a worktree's HEAD names, there or not; None when it is unborn or cannot be read."""
    head = read_head(own_dir)
    if head is None or head.branch is None:
        return head.commit if head is not None and head.commit != NO_COMMIT else None
    try:
        return read_ref(repo, f"refs/heads/{head.branch}")
    except RefError:
        return None


def is_half_made(own_dir: Path) -> bool:
    """Whether the service died while it made this worktree: no agent has seen it."""
    return read_small(own_dir / "locked", _POINTER_LIMIT_BYTES) == BEING_PREPARED.encode()


def link_state(registration: Registration) -> Link:
    """Whether the worktree's `.git` is the file that leads to its registration."""
    link = registration.worktree / ".git"
    if not os.path.lexists(link):
        return Link.MISSING
    text = read_small(link, _POINTER_LIMIT_BYTES)
    if text is None or not text.startswith(b"gitdir:"):
        return Link.WRONG
    target = os.fsdecode(text.removeprefix(b"gitdir:").strip())
    sound = os.path.realpath(registration.worktree / target) == os.path.realpath(registration.own_dir)
    return Link.SOUND if sound else Link.WRONG


def shares_directory(project: Project, registration: Registration) -> bool:
    """Whether the registration's `commondir` leads to this repository, as git needs it to."""
    text = read_small(registration.own_dir / "commondir", _POINTER_LIMIT_BYTES)
    if text is None:
        return False
    target = registration.own_dir / os.fsdecode(text.strip())
    return os.path.realpath(target) == os.fspath(project.git_dir)


def mend_link(registration: Registration) -> None:
    """Write the missing `.git` file; `FileExistsError` when something is there after all."""
    with (registration.worktree / ".git").open("xb") as file:
        file.write(b"gitdir: " + os.fsencode(registration.own_dir) + b"\n")


def is_real_folder(project: Project, worktree: Path) -> bool:
    """Whether `worktree` is a folder, reached from the project's root without a symbolic link."""
    try:
        parts = worktree.relative_to(project.root).parts
    except ValueError:
        return False
    current = project.root
    for part in parts:
        current /= part
        try:
            if not stat.S_ISDIR(current.lstat().st_mode):
                return False
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def register(project: Project, name: str, worktree: Path, head: str) -> Registration:
    """Tell git of a worktree, marked as half made; `make_folder` comes next.

    `head` is the text of HEAD without its line end. Git lists the worktree from now on. `name`, with a number
    behind it if it is taken, is what git calls it.
    """
    worktree.parent.mkdir(parents=True, exist_ok=True)
    own_dir = _new_own_dir(project, name)
    # The mark comes first: from here on a crash leaves something that the next start makes anew.
    (own_dir / "locked").write_text(BEING_PREPARED)
    (own_dir / "commondir").write_text("../..\n")
    (own_dir / "HEAD").write_text(f"{head}\n")
    (own_dir / "gitdir").write_bytes(os.fsencode(worktree / ".git") + b"\n")
    return Registration(worktree, own_dir)


def make_folder(registration: Registration) -> None:
    """Make the folder of a new registration; raises `FileExistsError` when something is there already."""
    registration.worktree.mkdir()
    mend_link(registration)


def _new_own_dir(project: Project, name: str) -> Path:
    parent = project.git_dir / "worktrees"
    parent.mkdir(exist_ok=True)
    number = 0
    while True:
        own_dir = parent / (f"{name}-{number}" if number else name)
        try:
            own_dir.mkdir()
        except FileExistsError:
            # Without `gitdir` git knows of nothing there: what a crash left, and nobody's worktree.
            if read_small(own_dir / "gitdir", _POINTER_LIMIT_BYTES) is None:
                forget(own_dir)
            else:
                number += 1
            continue
        return own_dir


def finish(registration: Registration) -> None:
    """The worktree is complete: an agent may work in it."""
    (registration.own_dir / "locked").unlink(missing_ok=True)


def begin_change(registration: Registration) -> None:
    """Mark a complete worktree as half made while its files are moved; `finish` ends it."""
    mark = registration.own_dir / "locked"
    mark.unlink(missing_ok=True)
    with mark.open("x") as file:
        file.write(BEING_PREPARED)


def put_on_branch(registration: Registration, ref: str) -> None:
    """Let HEAD name the branch `ref`; no file of the worktree is touched."""
    write_anew(registration.own_dir / "HEAD", f"ref: {ref}\n".encode())


def forget(own_dir: Path) -> None:
    """Remove a registration; the worktree's folder is not looked at. One that is gone already is fine."""
    ours = [own_dir, *(own_dir / name for name in ("HEAD", "index"))]
    with (
        freed_behind(*ours),
        contextlib.suppress(FileNotFoundError),
        Trash(os.fsencode(own_dir.parent)) as trash,
    ):
        if stat.S_ISDIR(own_dir.lstat().st_mode):
            open_up(os.fsencode(own_dir))
            # First: under whatever name a folder with a `gitdir` is here, git takes it for a worktree's.
            _unlink_file(own_dir / "gitdir")
        trash.take(os.fsencode(own_dir))


def _unlink_file(path: Path) -> None:
    """Unlink what is there unless it is a folder."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
