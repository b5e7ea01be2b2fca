"""Fixture repositories for the code side: made with pygit2, looked at and used as a person would with git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pygit2
import pytest
from attrs import frozen
from pygit2.enums import CheckoutStrategy, ConfigLevel, FileMode

from scriptorium.code.repository import Project, discover
from scriptorium.plan.ids import Oid

PERSON = pygit2.Signature("A Person", "person@example.org", 1_700_000_000, 0)

Content = str | bytes | tuple[str, str] | None
"""A file's text or bytes; ("link", target) a symbolic link; ("exec", text) an executable; None removes."""


@frozen
class Fixture:
    """A repository to test against. `project` is what `discover` made of it."""

    project: Project
    branch: str

    @property
    def root(self) -> Path:
        return self.project.root

    def open(self) -> pygit2.Repository:
        return pygit2.Repository(str(self.project.git_dir))

    def tip(self, branch: str | None = None) -> Oid:
        """Where a branch points; the base branch unless told."""
        return Oid(str(self.open().references[f"refs/heads/{branch or self.branch}"].target))

    def tree(self, commit: str) -> dict[str, bytes]:
        """Path -> content of a commit's tree."""
        index = pygit2.Index()
        repo = self.open()
        index.read_tree(repo[commit].peel(pygit2.Tree))
        return {
            entry.path: str(entry.id).encode()
            if entry.mode == FileMode.COMMIT
            else repo[entry.id].peel(pygit2.Blob).data
            for entry in index
        }

    def modes(self, commit: str) -> dict[str, int]:
        """Path -> file mode of a commit's tree."""
        index = pygit2.Index()
        index.read_tree(self.open()[commit].peel(pygit2.Tree))
        return {entry.path: int(entry.mode) for entry in index}

    def commit(
        self,
        files: Mapping[str, Content],
        *,
        parents: Sequence[str] | None = None,
        branch: str | None = None,
        message: str = "work",
    ) -> Oid:
        """Commit changes on top of `parents` (default: the base's tip), without any checkout.

        `branch` is moved there (made if need be); without one the commit is only an object.
        """
        repo = self.open()
        if parents is None:
            known = f"refs/heads/{branch or self.branch}" in repo.references
            parents = [self.tip(branch)] if known else []
        index = pygit2.Index()
        if parents:
            index.read_tree(repo[parents[0]].peel(pygit2.Tree))
        for path, content in files.items():
            self._stage(repo, index, path, content)
        ids: list[pygit2.Oid | str] = [pygit2.Oid(hex=parent) for parent in parents]
        commit = repo.create_commit(None, PERSON, PERSON, message, index.write_tree(repo), ids)
        if branch is not None:
            repo.references.create(f"refs/heads/{branch}", commit, force=True)
        return Oid(str(commit))

    @staticmethod
    def _stage(repo: pygit2.Repository, index: pygit2.Index, path: str, content: Content) -> None:
        mode = FileMode.BLOB
        match content:
            case None:
                index.remove(path)
                return
            case ("link", target):
                mode, data = FileMode.LINK, os.fsencode(target)
            case ("exec", text):
                mode, data = FileMode.BLOB_EXECUTABLE, text.encode()
            case str():
                data = content.encode()
            case bytes():
                data = content
            case _:
                raise AssertionError(content)
        index.add(pygit2.IndexEntry(path, repo.create_blob(data), mode))

    def land(self, files: Mapping[str, Content]) -> Oid:
        """Move the base branch on by one commit; a checkout of it follows, as after `git merge --ff-only`."""
        commit = self.commit(files, parents=[self.tip()])
        repo = self.open()
        if not self.project.bare and repo.references["HEAD"].target == f"refs/heads/{self.branch}":
            checkout = pygit2.Repository(str(self.root))
            checkout.checkout_tree(checkout[commit].peel(pygit2.Tree))  # type: ignore[no-untyped-call]
        repo.references.create(f"refs/heads/{self.branch}", pygit2.Oid(hex=commit), force=True)
        return commit


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    """Run git in a folder as a person with no configuration but a name would; returns its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "An Agent",
        "GIT_AUTHOR_EMAIL": "agent@example.org",
        "GIT_COMMITTER_NAME": "An Agent",
        "GIT_COMMITTER_EMAIL": "agent@example.org",
        "GIT_EDITOR": "true",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ["git", "-c", "core.quotePath=false", *arguments],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        errors="surrogateescape",
    )
    if check and done.returncode:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout


FIRST_FILES: Mapping[str, Content] = {
    ".gitignore": "*.log\n/build/\n",
    "README.md": "# Project\n",
    "src/app.py": "print('one')\n",
    "src/lib/words.txt": "alpha\nbeta\ngamma\n",
    "tools/run.sh": ("exec", "#!/bin/sh\necho run\n"),
    "latest": ("link", "src/app.py"),
}


def make_repository(
    folder: Path,
    files: Mapping[str, Content] = FIRST_FILES,
    *,
    bare: bool = False,
    branch: str = "main",
) -> Fixture:
    """Make a repository with one commit of `files`, checked out unless bare. It has no user identity."""
    pygit2.init_repository(str(folder), bare=bare, initial_head=branch)
    fixture = Fixture(discover(folder), branch)
    fixture.commit(files, branch=branch, message="first")
    if not bare:
        checkout = pygit2.Repository(str(folder))
        checkout.checkout_head(strategy=CheckoutStrategy.FORCE)  # type: ignore[no-untyped-call]
    return fixture


@pytest.fixture(autouse=True, scope="session")
def _no_user_configuration(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the configuration of whoever runs it."""
    nowhere = str(tmp_path_factory.mktemp("no-config"))
    for level in (
        ConfigLevel.SYSTEM,
        ConfigLevel.GLOBAL,
        ConfigLevel.XDG,
    ):
        pygit2.settings.search_path[level] = nowhere


@pytest.fixture
def fixture(tmp_path: Path) -> Fixture:
    """An ordinary repository with a checkout of its base branch `main`, in a folder with an awkward name."""
    return make_repository(tmp_path / "a répo with spaces")


@pytest.fixture
def bare(tmp_path: Path) -> Fixture:
    """A bare repository with the same content."""
    return make_repository(tmp_path / "bare.git", bare=True)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Fixture]:
    """Make another repository: `make("name", files, bare=..., branch=...)`."""

    def at(name: str, files: Mapping[str, Content] = FIRST_FILES, **how: object) -> Fixture:
        return make_repository(tmp_path / name, files, **how)  # type: ignore[arg-type]

    return at


@pytest.fixture
def run_git() -> Callable[..., str]:
    """`run_git(folder, *arguments, check=True)`: git as the user or an agent runs it."""
    return git
