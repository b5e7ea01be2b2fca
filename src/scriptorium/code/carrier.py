"""A bare repository for one exchange with a remote: the project's objects, and nothing else of it.

libgit2 obeys the settings of the repository that it talks for (`url.*.insteadOf`, proxies, the program for
ssh), and an agent can write the project's. This one has none, and is made anew for each exchange.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import RepositoryOpenFlag

from scriptorium.code.repository import Project
from scriptorium.plan.ids import Oid

FOLDER_NAME: Final = "remote"
"""In the state folder. What is in it when a service starts was left by a kill, and goes."""

_CONFIG: Final = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"


@contextlib.contextmanager
def carrier(project: Project, git_dir: Path, branch: str, commit: Oid | None) -> Iterator[pygit2.Repository]:
    """A repository on the objects of `git_dir`, with `branch` at `commit` (None: nowhere) as its only ref.

    What that commit contains is not fetched again. It lives in the project's state folder until the end of
    the block. Raises `OSError` or `pygit2.GitError`.
    """
    parent = project.state_dir / FOLDER_NAME
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        (folder / "config").write_text(_CONFIG)
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        (folder / "objects").symlink_to(git_dir / "objects")
        (folder / "shallow").symlink_to(git_dir / "shallow")  # need not exist: where a shallow history ends
        (folder / "refs").mkdir()
        if commit is not None:
            ref = folder / "refs" / "heads" / branch
            ref.parent.mkdir(parents=True)
            ref.write_text(f"{commit}\n")
        repo = pygit2.Repository(str(folder), RepositoryOpenFlag.NO_SEARCH)
        try:
            yield repo
        finally:
            repo.free()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_carriers(project: Project) -> None:
    """Remove what exchanges that a kill cut short have left; call it while none is under way."""
    shutil.rmtree(project.state_dir / FOLDER_NAME, ignore_errors=True)
