"""Going on from a pin: work in progress whose worktree is lost is what the ticket's next attempt begins with.

Of a worktree that is there its files are gone on from, and a submission that came back from the branch.
"""

from __future__ import annotations

from collections.abc import Iterator

import pygit2
from attrs import frozen

from scriptorium.code.left_merge import LeftMerge, Remerge, contains
from scriptorium.code.pins import work_pins
from scriptorium.code.scan import tree_entries
from scriptorium.code.work import is_in_progress, is_late
from scriptorium.plan.ids import Oid, TicketId


@frozen
class HalfMerged:
    """A merge of the base that was open in a lost worktree: its sides, and the files that hold markers."""

    ours: Oid
    theirs: Oid
    marked: tuple[str, ...]


@frozen
class Resumed:
    """Pinned work in progress that has all of its ticket's branch; `left` is the merge that it was amid."""

    commit: Oid
    left: HalfMerged | None = None


def work_to_resume(repo: pygit2.Repository, ticket: TicketId, tip: Oid, base: Oid) -> Resumed | None:
    """The newest pinned work of a ticket that has all of its branch, which is at `tip`; None without any.

    What was written after a submission is none: nobody submitted it. Nor is what has a merge of anything but
    the base open.
    """
    return next(_candidates(repo, ticket, tip, base), None)


def _candidates(repo: pygit2.Repository, ticket: TicketId, tip: Oid, base: Oid) -> Iterator[Resumed]:
    for pin in reversed(work_pins(repo, ticket)):
        if not isinstance(repo.get(pin), pygit2.Commit):
            continue
        commit = repo[pin].peel(pygit2.Commit)
        if is_late(commit) or not contains(repo, pin, tip):
            continue
        parents = [Oid(str(parent)) for parent in commit.parent_ids]
        if len(parents) == 1 and pin != tip:
            yield Resumed(pin)
        elif len(parents) == 2 and contains(repo, base, parents[1]) and is_in_progress(commit):
            # Also when the branch has it already: a crash may have come before the sides were remembered.
            left = LeftMerge(parents[0], parents[1], is_open=False)
            marked = Remerge.of(repo, left).marked(repo, tree_entries(commit.tree))
            yield Resumed(pin, HalfMerged(left.ours, left.theirs, marked))
