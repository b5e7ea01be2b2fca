"""Finding the newest whole commit of a branch, some of whose objects git has deleted."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pygit2

from scriptorium.code.left_merge import share_history
from scriptorium.code.nofollow import read_small
from scriptorium.code.registration import NO_COMMIT
from scriptorium.code.repository import common_dir
from scriptorium.code.wholeness import commit_at, missing_since
from scriptorium.plan.ids import Oid

_LOOKS: Final = 50
"""Commits of a reflog whose history is looked through: an agent may have written any number there."""
_HISTORY: Final = 10_000
"""Commits of such a history."""
_REFLOG_LIMIT_BYTES: Final = 16 * 1024 * 1024
_LOGGED: Final = re.compile(rb"^([0-9a-f]{40}) [0-9a-f]{40} ", re.MULTILINE)


def last_whole(repo: pygit2.Repository, lost: Oid, base: Oid, log: Path) -> Oid | None:
    """The newest commit before `lost` that lacks nothing, nor does what is before it and not in `base`.

    Looked for among the first parents of `lost`, then of what the reflog `log` says that the branch was at.
    """
    git_dir = common_dir(Path(repo.path))
    for history in histories(repo, lost, log):
        # What is before a whole commit is whole, so the first of them can be found by halves.
        at = bisect_left(history, True, key=lambda commit: missing_since(git_dir, commit, base) is None)
        if at < len(history) and share_history(repo, history[at], base):
            return history[at]
    return None


def histories(repo: pygit2.Repository, lost: Oid, log: Path) -> Iterator[list[Oid]]:
    """The first parents of `lost`, itself first, then of what the reflog `log` says that the branch was at.

    Newest first, as far as they are there, whole or not; no commit comes twice.
    """
    seen: set[Oid] = set()
    looks = 0
    for start in (lost, *_logged(log)):
        if looks < _LOOKS and (history := list(islice(_first_parents(repo, start, seen), _HISTORY))):
            looks += 1
            yield history


def is_on(repo: pygit2.Repository, commit: Oid, tip: Oid) -> bool:
    """Whether `tip`, there or not, is `commit` or one of its first parents."""
    return any(oid == tip for oid, _ in islice(_line(repo, commit), _HISTORY))


def _first_parents(repo: pygit2.Repository, commit: Oid, seen: set[Oid]) -> Iterator[Oid]:
    """A commit and those before it, as far as they are there and not `seen`, where they go."""
    for oid, is_there in _line(repo, commit):
        if not is_there or oid in seen:
            return
        seen.add(oid)
        yield oid


def _line(repo: pygit2.Repository, commit: Oid) -> Iterator[tuple[Oid, bool]]:
    """A commit and its first parents, and whether each is there: the last may be named only."""
    following: Oid | None = commit
    while following is not None:
        found = commit_at(repo, following)
        yield following, found is not None
        following = Oid(str(found.parent_ids[0])) if found is not None and found.parent_ids else None


def _logged(log: Path) -> Iterator[Oid]:
    """What a ref was at, newest first. An agent can write it: who asks looks at each as at any commit."""
    text = read_small(log, _REFLOG_LIMIT_BYTES) or b""
    for number in reversed(_LOGGED.findall(text)):
        if (commit := Oid(number.decode())) != NO_COMMIT:
            yield commit
