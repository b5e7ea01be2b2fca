"""Where the user's repository is: its root, its git directory, its base branch.

Synchronous, and read-only but for `ensure_state_dir`. The rest of the code side starts from a `Project`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

import pygit2
from attrs import field, frozen
from pygit2.enums import RepositoryOpenFlag

from scriptorium.code.nofollow import write_anew
from scriptorium.plan.ids import Oid

STATE_DIR_NAME = ".scriptorium"
OWN_BRANCHES = "scriptorium/"
"""Branches below this name are scriptorium's own and never the base."""

_NOT_OURS = re.compile(r"repository path '(.+)' is not owned by current user")

IDENTITY_NAME = "scriptorium"
IDENTITY_EMAIL = "scriptorium@localhost"


class RepositoryProblem(Exception):
    """The repository cannot be worked with as it is; the text says why, and what to do about it."""


class NotARepository(RepositoryProblem):
    """There is no git repository at the path or above it: the caller's path is wrong."""


class UnsupportedRepository(RepositoryProblem):
    """There is a repository, of a kind or in a state that scriptorium cannot work with."""


class NoBaseBranch(RepositoryProblem):
    """It cannot be told which branch work lands on: the user sets `baseBranch`."""


class UnbornBase(RepositoryProblem):
    """The base branch has no commit yet; `.branch` is its name. The user makes the first commit."""

    def __init__(self, branch: str, *, bare: bool = False) -> None:
        commit = "git commit --allow-empty -m 'first commit'"
        if bare:
            how = f"in a clone of it: {commit} && git push origin HEAD:{branch}"
        else:
            how = f"git add --all && {commit}"
        super().__init__(f"branch {branch} has no commit yet; make the first one: {how}")
        self.branch = branch


@frozen
class Project:
    """The repository that scriptorium works on.

    `root` is the main checkout's folder, or for a bare repository its git directory. `git_dir` is the
    directory that all worktrees share. Both are absolute, with symbolic links resolved.
    """

    root: Path
    git_dir: Path
    bare: bool

    @property
    def entrance(self) -> Path:
        """What leads to the repository and to its checkout: where `core.worktree` is set, the checkout need
        not know its repository, and where `.git` is a file, the repository does not know its checkout."""
        return self.root if os.path.lexists(self.root / ".git") else self.git_dir

    @property
    def state_dir(self) -> Path:
        """Everything that scriptorium keeps outside git."""
        return self.root / STATE_DIR_NAME

    @property
    def worktrees_dir(self) -> Path:
        """The parent of scriptorium's own worktrees."""
        return self.state_dir / "worktrees"

    @property
    def logs_dir(self) -> Path:
        """Logs of agents and checks."""
        return self.state_dir / "logs"


@frozen
class OpenProject(Project):
    """A project with its repository opened once, for one piece of work in one thread.

    Opening it, and finding its packs, is a good part of what a small step of git costs. Not to be kept: the
    repository's settings are read when it is opened.
    """

    repo: pygit2.Repository = field(eq=False, repr=False)


def discover(path: Path) -> Project:
    """Find the repository that `path` is in, upward as git does.

    A linked worktree leads to the main checkout; a submodule is a repository of its own.

    Raises:
        NotARepository: nothing there, or nothing above it.
        UnsupportedRepository: SHA-256 objects, the reftable format, or an owner that git does not trust.
    """
    start = Path(os.path.realpath(path))
    if not start.is_dir():
        raise NotARepository(f"{path}: {'is not a folder' if start.exists() else 'no such folder'}")
    found = pygit2.discover_repository(str(start))
    if found is None:
        raise NotARepository(f"{path}: not in a git repository; make one with: git init")
    repo = _open(start, Path(found), RepositoryOpenFlag.DEFAULT)
    own_dir = Path(os.path.realpath(repo.path))
    git_dir = common_dir(own_dir)
    _open(git_dir, git_dir, RepositoryOpenFlag.NO_SEARCH)
    if git_dir != own_dir:
        return _main_of_linked(git_dir)
    if repo.is_bare or repo.workdir is None:
        return Project(git_dir, git_dir, bare=True)
    return Project(Path(os.path.realpath(repo.workdir)), git_dir, bare=False)


def common_dir(own_dir: Path) -> Path:
    """The directory that a worktree's git directory shares with the others; itself for the main one."""
    try:
        pointer = (own_dir / "commondir").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return own_dir
    return Path(os.path.realpath(own_dir / pointer))


def _main_of_linked(git_dir: Path) -> Project:
    repo = _open(git_dir, git_dir, RepositoryOpenFlag.NO_SEARCH)
    if repo.is_bare or repo.workdir is None:
        return Project(git_dir, git_dir, bare=True)
    root = Path(os.path.realpath(repo.workdir))
    if "core.worktree" in repo.config:
        return Project(root, git_dir, bare=False)
    # A separate git directory does not know its checkout, and libgit2 then takes its parent folder.
    if pygit2.discover_repository(str(root)) is None or _git_dir_at(root) != git_dir:
        raise UnsupportedRepository(
            f"{git_dir}: cannot tell where its main checkout is; run scriptorium in the main checkout"
        )
    return Project(root, git_dir, bare=False)


def _git_dir_at(root: Path) -> Path | None:
    try:
        return Path(os.path.realpath(pygit2.Repository(str(root), RepositoryOpenFlag.NO_SEARCH).path))
    except pygit2.GitError:
        return None


def _open(path: Path, git_dir: Path, flags: RepositoryOpenFlag) -> pygit2.Repository:
    try:
        return pygit2.Repository(str(path), flags)
    except (pygit2.GitError, pygit2.InvalidError) as error:
        raise UnsupportedRepository(_why_unsupported(git_dir, str(error))) from error


def _why_unsupported(git_dir: Path, error: str) -> str:
    config = common_dir(git_dir) / "config"
    extensions: dict[str, str] = {}
    with contextlib.suppress(pygit2.GitError, OSError):
        settings = pygit2.Config(str(config))
        for key in ("extensions.objectformat", "extensions.refstorage"):
            if key in settings:
                extensions[key] = (settings[key] or "").lower()
    if extensions.get("extensions.objectformat", "sha1") != "sha1":
        return f"{git_dir}: SHA-256 repositories are not supported; use one with SHA-1 objects"
    if extensions.get("extensions.refstorage", "files") != "files":
        return (
            f"{git_dir}: the reftable format is not supported; change it with: "
            "git refs migrate --ref-format=files"
        )
    if foreign := _NOT_OURS.search(error):
        # libgit2 asks for each by itself: the checkout, and the directory that is opened without it.
        places = dict.fromkeys((foreign[1], str(git_dir)))
        trust = (f"git config --global --add safe.directory {shlex.quote(place)}" for place in places)
        return (
            f"{git_dir}: the repository belongs to another user; run scriptorium as its owner, "
            f"or trust it with: {' && '.join(trust)}"
        )
    return f"{git_dir}: cannot be opened: {error}"


@contextlib.contextmanager
def opened(project: Project) -> Iterator[OpenProject]:
    """The project with its repository open, so that all that one piece of work calls shares it.

    Its packs are closed in the end: a pygit2 repository sits in a cycle, and would hold them, a file and a
    map each, until the garbage collector comes by.
    """
    if isinstance(project, OpenProject):
        yield project
        return
    repo = open_repository(project)
    try:
        yield OpenProject(project.root, project.git_dir, project.bare, repo)
    finally:
        repo.free()


def open_repository(project: Project) -> pygit2.Repository:
    """Open the repository; one per thread and piece of work, as libgit2 objects are not shared.

    Of an `OpenProject`, its own.
    """
    if isinstance(project, OpenProject):
        return project.repo
    return _open(project.entrance, project.git_dir, RepositoryOpenFlag.NO_SEARCH)


def ensure_state_dir(project: Project) -> Path:
    """Make `.scriptorium/` with the `.gitignore` that hides all of it. Doing it twice changes nothing.

    Raises:
        UnsupportedRepository: something that is not a folder is in its place (a link could lead anywhere).
    """
    folder = project.state_dir
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise UnsupportedRepository(
            f"{folder}: scriptorium keeps its state there, but it is not a folder; move it away"
        )
    ignore = folder / ".gitignore"
    # Opened as new: what a person wrote there stays, and a link is not written through.
    with contextlib.suppress(FileExistsError), ignore.open("x") as file:
        file.write("*\n")
    found = ignore.lstat()
    if stat.S_ISREG(found.st_mode) and found.st_size == 0:
        # Left by a kill just here: git would show the user all that is in the folder, for ever.
        write_anew(ignore, b"*\n")
    return folder


def ensure_scratch_dir(project: Project) -> Path:
    """Make the folder for what is needed for a moment: the next start clears away what a kill leaves there.

    Raises as `ensure_state_dir` does, and `OSError`.
    """
    folder = ensure_state_dir(project) / "scratch"
    folder.mkdir(exist_ok=True)
    return folder


def signature() -> pygit2.Signature:
    """Who commits for scriptorium, now; whatever the user's own identity is or lacks."""
    return pygit2.Signature(IDENTITY_NAME, IDENTITY_EMAIL)


def base_branch(repo: pygit2.Repository, configured: str | None) -> str:
    """The short name of the branch that work lands on.

    `configured`; else of `master` and `main` the one that exists, the one HEAD names when both do; else what
    HEAD names. HEAD is the main checkout's.

    Raises:
        NoBaseBranch: it cannot be told, or `configured` names no branch.
        UnbornBase: the branch has no commit yet.
    """
    head = _head_branch(repo)
    name = configured or _conventional_branch(repo, head) or head
    if name is None or name.startswith(OWN_BRANCHES):
        at = "HEAD is detached" if name is None else f"HEAD is on {name}"
        raise NoBaseBranch(f'{at}: set "baseBranch" in scriptorium.json to the branch that work lands on')
    if branch_tip(repo, name) is not None:
        return name
    if name == head or not repo.raw_listall_branches():
        raise UnbornBase(name, bare=repo.is_bare)
    raise NoBaseBranch(f'scriptorium.json: baseBranch: there is no branch "{name}"')


def _head_branch(repo: pygit2.Repository) -> str | None:
    """The branch that HEAD names, born or not; None when HEAD is detached."""
    try:
        target = repo.lookup_reference("HEAD").target
    except (KeyError, pygit2.GitError):
        return None  # damaged: as little use as a detached one
    if isinstance(target, str) and target.startswith("refs/heads/"):
        return target.removeprefix("refs/heads/")
    return None


def _conventional_branch(repo: pygit2.Repository, head: str | None) -> str | None:
    existing = [name for name in ("master", "main") if branch_tip(repo, name) is not None]
    if len(existing) == 1:
        return existing[0]
    return head if head in existing else None


def branch_tip(repo: pygit2.Repository, branch: str) -> Oid | None:
    """The commit that a branch points at; None when there is no such branch, or it names no commit."""
    try:
        return Oid(str(repo.lookup_reference(f"refs/heads/{branch}").peel(pygit2.Commit).id))
    except (KeyError, pygit2.GitError, pygit2.InvalidSpecError):
        return None
