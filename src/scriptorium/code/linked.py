"""The linked worktrees of a repository, as git's own notes name them. Looking changes nothing.

A landing looks at them several times, and a long queue has a worktree for each ticket: so what lies in our
own folder is told apart by its name alone.
"""

# Names are text here: making a path of each costs more than reading what git says of it.
# ruff: noqa: PTH118, PTH120, PTH208

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from scriptorium.code.repository import Project

Others: TypeAlias = Sequence[tuple[Path, Path]]
"""Of each linked worktree its own git directory and its folder."""

_PATH_BYTES: Final = 64 * 1024
"""More than a path can be long."""


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
        own = f"{parent}/{name}"
        link = link_of(own)
        if link is not None:
            yield own, os.path.dirname(link)


def link_of(own_dir: str) -> str | None:
    """The `.git` file that a linked worktree's own git directory names, which may be gone; None for another.

    Links are not resolved: `.git` itself could be one.
    """
    try:
        pointer = os.open(f"{own_dir}/gitdir", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        named = os.fsdecode(os.read(pointer, _PATH_BYTES).rstrip(b"\n"))
    except OSError:
        return None
    finally:
        os.close(pointer)
    # It may be written relative to its own folder.
    return os.path.normpath(os.path.join(own_dir, named))
