"""Which tickets landed as which commits of the base branch, and from what each ticket was made: from the
history of the plan branch, newest first, for as far back as it takes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

import pygit2
from attrs import frozen

from scriptorium.plan.ids import InvalidName, Oid, TicketId, parse_oid, parse_ticket_id
from scriptorium.plan.layout import AUTHOR_EMAIL, AUTHOR_NAME
from scriptorium.plan.message import PREFIX, Kind, Message, Trailer, parse_message
from scriptorium.plan.objects import open_repository

MAX_COMMITS: Final = 100_000
"""How far back is looked: about a second of reading."""
CLOCKS_SECONDS: Final = 24 * 3600
"""A landing is told after it was made. By so much the clocks of two machines may be apart."""

_PREFIX: Final = PREFIX.encode()


@frozen
class Completion:
    """The commit of the plan branch that says that `ticket` has landed."""

    ticket: TicketId
    commit: Oid


def completions(git_dir: Path, tip: Oid, landed: Collection[Oid], since: float) -> Mapping[Oid, Completion]:
    """For each commit in `landed` that the plan says a ticket landed as, where it says so.

    `since` is when the oldest of them was made, in seconds since the epoch. Raises `KeyError`, `ValueError`
    or `pygit2.GitError` when the history cannot be read.
    """
    found: dict[Oid, Completion] = {}
    for commit in _line(git_dir, tip):
        # Of a commit that a person made, in whatever way, the time says nothing.
        too_old = commit.commit_time < since - CLOCKS_SECONDS and commit.raw_message.startswith(_PREFIX)
        if len(found) == len(landed) or too_old:
            break
        message = _own(commit, Kind.COMPLETE)
        if message is None:
            continue
        try:
            oid = parse_oid(message.value(Trailer.LANDED) or "")
            ticket = parse_ticket_id(message.value(Trailer.TICKET) or "")
        except InvalidName:
            continue
        if oid in landed:
            # Of two that say so the newer is kept: the older was undone, or it would not be said again.
            found.setdefault(oid, Completion(ticket, Oid(str(commit.id))))
    return found


def creation(git_dir: Path, tip: Oid, ticket: TicketId) -> Oid | None:
    """The commit, at `tip` or before, that made `ticket`; None when it is not found: a person made it.

    Raises as `completions`.
    """
    for commit in _line(git_dir, tip):
        message = _own(commit, Kind.CREATE_TICKETS) or _own(commit, Kind.CREATE_RECOVERY)
        if message is not None and ticket in message.values(Trailer.TICKET):
            return Oid(str(commit.id))
    return None


def _line(git_dir: Path, tip: Oid) -> Iterator[pygit2.Commit]:
    repo = open_repository(git_dir)
    here = repo[tip].peel(pygit2.Commit)
    for _ in range(MAX_COMMITS):
        yield here
        parents = here.parent_ids
        if not parents:
            return
        here = repo[parents[0]].peel(pygit2.Commit)


def _own(commit: pygit2.Commit, kind: Kind) -> Message | None:
    """The message of a commit of that kind by scriptorium; None for any other."""
    if not commit.raw_message.startswith(_PREFIX + kind.encode()):
        return None
    people = {(who.name, who.email) for who in (commit.author, commit.committer)}
    if people != {(AUTHOR_NAME, AUTHOR_EMAIL)}:
        return None
    message = parse_message(commit.raw_message.decode("utf-8", "replace"))
    return message if message is not None and message.kind is kind else None
