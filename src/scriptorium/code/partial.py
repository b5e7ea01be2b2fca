"""Partial clones, which leave files at the remote until git needs them: scriptorium fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pygit2
from pygit2.enums import FileMode

from scriptorium.code.repository import Project, UnsupportedRepository, branch_tip, open_repository

_PROMISOR: Final = re.compile(r"remote\..+\.promisor")
_SHOWN_FILES: Final = 3


def require_whole(project: Project, branch: str) -> None:
    """Raise `UnsupportedRepository` when the repository lacks files of `branch`.

    Costs nothing but in a partial clone.
    """
    repo = open_repository(project)
    tip = branch_tip(repo, branch)
    if tip is None or not any(_PROMISOR.fullmatch(entry.name) for entry in repo.config):
        return
    missing = list(_missing(repo, repo[tip].peel(pygit2.Tree), ""))
    if missing:
        more = f" and {len(missing) - _SHOWN_FILES} more" if len(missing) > _SHOWN_FILES else ""
        raise UnsupportedRepository(
            f"{project.git_dir}: this is a partial clone without {', '.join(missing[:_SHOWN_FILES])}{more} "
            f"of branch {branch}, and scriptorium fetches nothing; have git fetch them: git checkout {branch}"
        )


def _missing(repo: pygit2.Repository, tree: pygit2.Tree, under: str) -> Iterator[str]:
    for entry in tree if tree.id in repo else ():
        path = f"{under}{entry.name}"
        if entry.filemode == FileMode.COMMIT:
            continue
        if entry.id not in repo:
            yield path
        elif isinstance(entry, pygit2.Tree):
            yield from _missing(repo, entry, f"{path}/")
