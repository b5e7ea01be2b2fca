"""A ticket's branch: its name, and moving it to where the work is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pygit2
from pygit2.enums import FileMode

from scriptorium.code.blobs import BlobWriter, Unstorable
from scriptorium.code.left_merge import contains, end_merge
from scriptorium.code.nofollow import is_there, open_below, open_file, open_folder, read_bounded
from scriptorium.code.pins import pin_work, pins_of
from scriptorium.code.registration import Registration, read_head, registrations
from scriptorium.code.repository import Project, open_repository
from scriptorium.code.scan import RULES_LIMIT_BYTES, Entries, entries_of, folders_of, readable_index
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.refs import RefError, RefMoved, compare_and_swap, read_ref

_TRIES = 10


def ticket_branch(ticket: TicketId) -> str:
    """The short name of the branch that a ticket is worked on."""
    return f"scriptorium/ticket-{ticket}"


def advance_branch(project: Project, ticket: TicketId, commit: Oid) -> None:
    """Put the ticket's branch at a captured commit, from wherever it is.

    What the branch held and `commit` does not is pinned first. `follow_branch` comes next.

    Raises:
        RefError: the branch is locked, or somebody else keeps moving it; `commit` should be pinned by then.
    """
    repo = open_repository(project)
    name = f"refs/heads/{ticket_branch(ticket)}"
    for _ in range(_TRIES):
        current = read_ref(repo, name)
        if current == commit:
            break
        if current is not None and not is_held(repo, current, (commit, *pins_of(repo, ticket))):
            pin_work(repo, ticket, current)
        try:
            compare_and_swap(repo, name, new=commit, old=current)
        except RefMoved:
            continue
        break
    else:
        raise RefError(f"{name} kept being moved by somebody else; it is not at {commit}")


def follow_branch(project: Project, ticket: TicketId, commit: Oid, *, keep_added: bool = False) -> None:
    """Let the worktrees that have the ticket's branch checked out show their files as committed in `commit`.

    With `keep_added` git goes on to track what it tracked there and `commit` does not have: an ignored file
    that was added all the same is not to be told from the others afterwards.

    An index that is locked or broken is left to git and the agent. A crash before this leaves a worktree in
    which git shows what was committed as changes, and the files as they are.
    """
    repo, ref = open_repository(project), f"refs/heads/{ticket_branch(ticket)}"
    for registration in registrations(project):
        head = read_head(registration.own_dir)
        if head is not None and head.ref == ref and project.worktrees_dir in registration.worktree.parents:
            end_merge(repo, registration.own_dir, commit)
            _match_index(project, repo, registration, commit, keep_added=keep_added)


def _match_index(
    project: Project, repo: pygit2.Repository, registration: Registration, commit: Oid, *, keep_added: bool
) -> None:
    index = readable_index(registration.own_dir)
    if index is None:
        return
    before = entries_of(index) if keep_added else {}
    # A lock means that git is at work there, or was killed; the files are right either way.
    with contextlib.suppress(pygit2.GitError, OSError):
        index.read_tree(repo[commit].peel(pygit2.Tree))
        if before:
            _track(project, repo, index, registration.worktree, before)
        index.write()


def _track(
    project: Project, repo: pygit2.Repository, index: pygit2.Index, worktree: Path, before: Entries
) -> None:
    """Add what `before` names, `index` lacks and the worktree has, as it is there if git has lost it."""
    added = before.keys() - entries_of(index).keys()
    with contextlib.suppress(OSError), open_folder(worktree) as root:
        attributes = _attributes(root, added)
        with BlobWriter(project, repo, root, attributes) as writer:
            for path in added:
                entry = before[path]
                if entry.mode == FileMode.COMMIT or not is_there(root, path):
                    continue
                with contextlib.suppress(OSError, Unstorable, pygit2.GitError):
                    oid = entry.oid if entry.oid in repo else writer.store(path, entry.mode)
                    index.add(pygit2.IndexEntry(os.fsdecode(path), pygit2.Oid(hex=oid), entry.mode))


def _attributes(root: int, paths: Iterable[bytes]) -> dict[bytes, bytes]:
    """The `.gitattributes` files that say how these are stored."""
    found: dict[bytes, bytes] = {}
    for folder in (b"", *folders_of(paths)):
        with (
            contextlib.suppress(OSError),
            open_below(root, folder) as opened,
            open_file(".gitattributes", opened) as descriptor,
        ):
            text = read_bounded(descriptor, RULES_LIMIT_BYTES)
            found[folder + b"/.gitattributes" if folder else b".gitattributes"] = text or b""
    return found


def is_held(repo: pygit2.Repository, commit: Oid, holders: Sequence[Oid | None]) -> bool:
    """Whether one of `holders` keeps `commit`. A merge without conflict of what is held is nothing new."""
    known = [holder for holder in holders if holder is not None and holder in repo]
    if any(contains(repo, holder, commit) for holder in known):
        return True
    made = repo[commit].peel(pygit2.Commit)
    parents = [Oid(str(parent)) for parent in made.parent_ids]
    return (
        len(parents) == 2
        and _is_clean_merge(repo, parents, str(made.tree_id))
        and all(any(contains(repo, holder, parent) for holder in known) for parent in parents)
    )


def _is_clean_merge(repo: pygit2.Repository, parents: Sequence[Oid], tree: str) -> bool:
    index = repo.merge_commits(parents[0], parents[1])
    return index.conflicts is None and str(index.write_tree(repo)) == tree
