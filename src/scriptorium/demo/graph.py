"""A small git graph of what landed, newest first, as `git log --graph` would draw it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pygit2

SHOWN_LANDINGS = 40


def landings(git_dir: Path, branch: str) -> Iterator[str]:
    """The lines of the graph: each landing on the first-parent line, with the submitted work beside it."""
    repository = pygit2.Repository(str(git_dir))
    commit = repository.lookup_reference(f"refs/heads/{branch}").peel(pygit2.Commit)
    for _ in range(SHOWN_LANDINGS):
        parents = commit.parents
        if len(parents) < 2:
            yield f"* {_line(commit)}"
            return
        yield f"*   {_line(commit)}"
        yield "|\\"
        for work in _side(repository, parents):
            yield f"| * {_line(work)}"
        yield "|/"
        commit = parents[0]
    yield "* …"


def _side(repository: pygit2.Repository, parents: list[pygit2.Commit]) -> Iterator[pygit2.Commit]:
    """The commits that came with the second parent and that the first did not have."""
    walker = repository.walk(parents[1].id, pygit2.enums.SortMode.TOPOLOGICAL)
    walker.hide(parents[0].id)
    yield from walker


def _line(commit: pygit2.Commit) -> str:
    return f"{str(commit.id)[:8]} {commit.message.partition(chr(10))[0]}"
