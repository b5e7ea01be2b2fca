"""The linked worktrees of a repository, as git's own notes name them. Looking changes nothing.

A landing looks at them several times, and a long queue has a worktree for each ticket: so what lies in our
own folder is told apart by its name alone.
"""

# Names are text here: making a path of each costs more than reading what git says of it.
# ruff: noqa: PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from scriptorium.code.repository import Project


def linked_worktrees(project: Project) -> tuple[tuple[Path, Path], ...]:
    """Of each linked worktree its own git directory and its folder, which may be gone; by name."""
    return tuple((Path(own), Path(folder)) for own, folder in _named(project))


def worktrees_of_others(project: Project) -> tuple[tuple[Path, Path], ...]:
    """The same without scriptorium's own worktrees."""
    ours = f"{project.worktrees_dir}{os.sep}"
    return tuple((Path(own), Path(folder)) for own, folder in _named(project) if not folder.startswith(ours))


def _named(project: Project) -> Iterator[tuple[str, str]]:
    parent = os.path.join(project.git_dir, "worktrees")
    try:
        names = sorted(os.listdir(parent))
    except OSError:
        return
    for name in names:
        own = os.path.join(parent, name)
        with contextlib.suppress(OSError):
            with open(os.path.join(own, "gitdir"), "rb") as pointer:
                link = os.fsdecode(pointer.read().rstrip(b"\n"))
            yield own, os.path.dirname(os.path.normpath(os.path.join(own, link)))
