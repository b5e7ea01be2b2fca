"""A small git repository with a plan branch, for a program that embeds scriptorium and has none at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pygit2

from scriptorium.code.repository import Project, discover
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec
from scriptorium.testing.virtual import START

BRANCH = "main"
README = {"README.md": "# A sample\n"}


def sample_project(
    folder: Path | str, *, spec: str | None = None, files: Mapping[str, str] | None = None
) -> Project:
    """Make a repository in ``folder``, with a first commit on ``main``, checked out, and a plan branch.

    ``folder`` is made if it is not there. ``spec``: what to build; without it nothing is planned yet.
    ``files``: the first commit, text by path; without them a README. All commits have the time `START`, so
    that it is the same repository every time. Raises `PlanExists` for a folder in which this was done before.
    """
    root = Path(folder)
    repository = pygit2.init_repository(str(root), initial_head=BRANCH)
    if repository.head_is_unborn:
        _first_commit(repository, root, README if files is None else files)
    project = discover(root)
    initialize(project.git_dir, now=START.timestamp)
    if spec is not None:
        PlanRepository(project.git_dir, now=START.timestamp).commit(UpdateSpec(spec))
    return project


def _first_commit(repository: pygit2.Repository, root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        repository.index.add(path)
    repository.index.write()
    author = pygit2.Signature("A Person", "person@example.invalid", int(START.timestamp()), 0)
    repository.create_commit("HEAD", author, author, "first", repository.index.write_tree(), [])
