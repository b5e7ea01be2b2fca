"""What a submission will conflict with, found by trial merges."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pygit2
from attrs import frozen

from scriptorium.code.base_changes import BaseChange, changes_on_base
from scriptorium.code.conflicts import FILES_SHOWN
from scriptorium.code.left_merge import conflict_paths, contains
from scriptorium.code.repository import Project, ensure_scratch_dir, opened
from scriptorium.plan.ids import Oid, TicketId

_BEFORE_LOOSE: Final = 2
"""The rank of a store of objects that is written to in place of the repository's own, which has 1."""


@frozen
class Pending:
    """A submission that is in the merge queue: of which ticket, and what was handed in."""

    ticket: TicketId
    commit: Oid


@frozen
class Clash:
    """The submission does not merge with the base (`ticket` None) or with what `ticket` has in the queue.

    `paths` are sorted. `changes` are the commits of the base that the conflict is with.
    """

    ticket: TicketId | None
    paths: tuple[str, ...]
    changes: tuple[BaseChange, ...] = ()


def clashes(
    project: Project,
    submission: Oid,
    base: Oid,
    others: Sequence[Pending],
    *,
    given_up: Callable[[], bool] = lambda: False,
) -> Iterator[Clash]:
    """What `submission` conflicts with: the commit `base` first, then each of `others`, in turn.

    Nothing is written to the repository, and no ref read. Ends early once `given_up`, which is asked before
    each merge.

    Raises:
        KeyError, pygit2.GitError: a commit, or something in it, is missing or damaged.
    """
    with opened(project) as found:
        repo = found.repo
        tried: list[tuple[TicketId | None, Oid]] = [(other.ticket, other.commit) for other in others]
        if not contains(repo, submission, base):
            tried.insert(0, (None, base))
        if tried:
            yield from _try(repo, ensure_scratch_dir(project), submission, tried, given_up)


def _try(
    repo: pygit2.Repository,
    scratch: Path,
    submission: Oid,
    tried: Sequence[tuple[TicketId | None, Oid]],
    given_up: Callable[[], bool],
) -> Iterator[Clash]:
    with tempfile.TemporaryDirectory(prefix="trial-", dir=scratch) as aside:
        # Libgit2 writes the text of each file that both sides changed. Nobody needs it.
        repo.odb.add_backend(pygit2.OdbBackendLoose(aside, 0, False), _BEFORE_LOOSE)
        for ticket, commit in tried:
            if given_up():
                return
            paths = _conflicting(repo, commit, submission)
            if paths:
                by = _changes(repo, commit, submission, paths) if ticket is None else ()
                yield Clash(ticket, paths, by)


def _changes(
    repo: pygit2.Repository, base: Oid, submission: Oid, paths: Sequence[str]
) -> tuple[BaseChange, ...]:
    by_path = changes_on_base(repo, base, submission, paths[:FILES_SHOWN])
    return tuple(dict.fromkeys(change for changes in by_path.values() for change in changes))


def _conflicting(repo: pygit2.Repository, one: Oid, other: Oid) -> tuple[str, ...]:
    found = conflict_paths(repo.merge_commits(one, other))
    return tuple(path.decode(errors="surrogateescape") for path in found)
