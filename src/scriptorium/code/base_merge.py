"""Bringing the base into a ticket's branch and worktree before an agent starts.

Clean: a commit. In conflict: the worktree is left as `git merge` leaves it, and its sides are remembered.
"""

from __future__ import annotations

import contextlib

import pygit2
from attrs import frozen
from pygit2.enums import CheckoutStrategy

from scriptorium.code.left_merge import conflict_paths, contains, remember, share_history
from scriptorium.code.registration import Registration
from scriptorium.code.repository import signature
from scriptorium.code.scan import readable_index
from scriptorium.plan.ids import Oid, TicketId


@frozen
class Plan:
    """What bringing the base in comes to: the branch's new tip, or the files that conflict.

    `tip` is the old one when there is nothing to bring in, or a conflict.
    """

    tip: Oid
    conflicts: tuple[str, ...] = ()


def plan_merge(repo: pygit2.Repository, ticket: TicketId, tip: Oid, base: Oid) -> Plan:
    """Merge `base` into `tip` in memory. Unrelated histories are left alone: landing says what is wrong."""
    if contains(repo, tip, base):
        return Plan(tip)
    if contains(repo, base, tip):
        return Plan(base)
    if not share_history(repo, tip, base):
        return Plan(tip)
    index = repo.merge_commits(tip, base)
    conflicts = conflict_paths(index)
    if conflicts:
        return Plan(tip, tuple(path.decode(errors="replace") for path in conflicts))
    who = signature()
    message = f"scriptorium: merge the base into ticket {ticket}\n"
    commit = repo.create_commit(None, who, who, message, index.write_tree(repo), [tip, base])
    return Plan(Oid(str(commit)))


def check_out(registration: Registration, commit: Oid) -> None:
    """Write the files of `commit` into a worktree and its index; HEAD stays where it is.

    Files that are in the way are replaced: for a new worktree, or one that is known to be clean.
    """
    repo = pygit2.Repository(str(registration.own_dir))
    tree = repo[commit].peel(pygit2.Tree)
    strategy = CheckoutStrategy.FORCE | CheckoutStrategy.RECREATE_MISSING
    repo.checkout_tree(tree, strategy=strategy)  # type: ignore[no-untyped-call]


def leave_merge(registration: Registration, tip: Oid, base: Oid) -> None:
    """Leave the merge of `base` into HEAD, which is at `tip`, open: markers, index, MERGE_HEAD."""
    remember(registration.own_dir, tip, base)
    pygit2.Repository(str(registration.own_dir)).merge(pygit2.Oid(hex=base))


def renew_index(registration: Registration, commit: Oid) -> None:
    """Make the index of a worktree anew from `commit` if git could not read it."""
    if readable_index(registration.own_dir) is not None:
        return
    path = registration.own_dir / "index"
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    repo = pygit2.Repository(str(registration.own_dir))
    repo.index.read_tree(repo[commit].peel(pygit2.Tree))
    repo.index.write()


def remove_locks(registration: Registration) -> None:
    """Remove the locks of a worktree whose processes are gone: nobody holds them."""
    for name in ("index.lock", "HEAD.lock"):
        (registration.own_dir / name).unlink(missing_ok=True)
