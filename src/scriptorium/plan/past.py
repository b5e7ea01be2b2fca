"""Which state each ticket was in at an earlier time, from the history of the plan branch. Names alone are
read, so that a plan of 10,000 tickets costs a few trees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pygit2

from scriptorium.plan.ids import InvalidName, Oid, TicketId
from scriptorium.plan.layout import TicketState, parse_ticket_name
from scriptorium.plan.objects import open_repository

States = Mapping[TicketId, frozenset[TicketState]]
"""The folders that a ticket's name is in: one, when all is well."""

MAX_COMMITS: Final = 100_000
"""How far back is looked: about a second of reading. A plan that is busier than that has no past here."""


def states_before(git_dir: Path, tip: Oid, times: Sequence[float]) -> tuple[States | None, ...]:
    """The tickets' states at each of `times` (seconds since the epoch), newest time first.

    None for a time at which there was no plan, or that is further back than is looked.

    Raises `KeyError`, `ValueError` or `pygit2.GitError` when the history cannot be read.
    """
    repo = open_repository(git_dir)
    found: list[States | None] = []
    here: pygit2.Commit | None = repo[tip].peel(pygit2.Commit)
    for _ in range(MAX_COMMITS):
        while here is not None and len(found) < len(times) and here.commit_time <= times[len(found)]:
            found.append(_states(here.tree))
        if here is None or len(found) == len(times):
            break
        parents = here.parent_ids
        here = repo[parents[0]].peel(pygit2.Commit) if parents else None
    return (*found, *[None] * (len(times) - len(found)))


def _states(tree: pygit2.Tree) -> States:
    found: dict[TicketId, frozenset[TicketState]] = {}
    for state in TicketState:
        try:
            folder = tree[state.folder]
        except KeyError:
            continue
        for entry in folder if isinstance(folder, pygit2.Tree) else ():
            try:
                ticket, _ = parse_ticket_name(entry.name or "")
            except (InvalidName, UnicodeDecodeError):
                continue
            found[ticket] = found.get(ticket, frozenset()) | {state}
    return found
