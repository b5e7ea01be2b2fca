"""Partial clones, which leave files at the remote until git needs them: scriptorium fetches nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

import pygit2
from pygit2.enums import FileMode

from scriptorium.code.repository import Project, UnsupportedRepository, branch_tip, open_repository
from scriptorium.code.trees import raw_entries

_PROMISOR: Final = re.compile(r"remote\..+\.promisor")
_SHOWN_FILES: Final = 3


def require_whole(project: Project, branch: str) -> None:
    """Raise `UnsupportedRepository` when the repository lacks files of `branch`.

    Costs nothing but in a partial clone.
    """
    repo = open_repository(project)
    tip = branch_tip(repo, branch)
    if tip is None or not is_partial(repo):
        return
    missing = list(_missing(repo, repo[tip].peel(pygit2.Tree).id))
    if missing:
        more = f" and {len(missing) - _SHOWN_FILES} more" if len(missing) > _SHOWN_FILES else ""
        raise UnsupportedRepository(
            f"{project.git_dir}: this is a partial clone without {', '.join(missing[:_SHOWN_FILES])}{more} "
            f"of branch {branch}, and scriptorium fetches nothing; have git fetch them: git checkout {branch}"
        )


def is_partial(repo: pygit2.Repository) -> bool:
    """Whether there is a remote that git would fetch a missing object from."""
    return any(_PROMISOR.fullmatch(entry.name) for entry in repo.config)


def _missing(repo: pygit2.Repository, tree: pygit2.Oid) -> Iterator[str]:
    waiting = [("", tree)]
    while waiting:
        under, oid = waiting.pop()
        for name, entry in raw_entries(repo[oid].peel(pygit2.Tree)).items():
            path = f"{under}{os.fsdecode(name)}"
            if entry.is_submodule:
                continue
            if entry.oid not in repo:
                yield path
            elif entry.mode == FileMode.TREE:
                waiting.append((f"{path}/", entry.oid))
