"""The history of the plan branch as steps: each commit with the files that it changed and the tickets that
it moved, compared by libgit2 without reading a single blob.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto

import pygit2
from attrs import field, frozen

from scriptorium.plan.ids import InvalidName, Oid, Slug, TicketId
from scriptorium.plan.layout import AUTHOR, TicketState, parse_ticket_name
from scriptorium.plan.message import Message, parse_message
from scriptorium.plan.objects import CommitFacts, GitObjects

_FOLDERS = {f"{state.folder}/": state for state in TicketState}


class Change(Enum):
    """What a commit did to one path."""

    ADDED = auto()
    REMOVED = auto()
    MODIFIED = auto()


@frozen
class Place:
    """Where a ticket is: its state, and the slug in its name."""

    state: TicketState
    slug: Slug


@frozen
class TicketChange:
    """The places of a ticket's changed files, before and after a commit."""

    before: frozenset[Place] = frozenset()
    after: frozenset[Place] = frozenset()

    @property
    def move(self) -> tuple[TicketState, TicketState] | None:
        """From where to where it went, when it went under its name from one place to another."""
        if len(self.before) != 1 or len(self.after) != 1:
            return None
        (before,), (after,) = self.before, self.after
        return (before.state, after.state) if before.slug == after.slug and before != after else None

    @property
    def in_place(self) -> bool:
        """Whether only its text was changed."""
        return bool(self.before) and self.before == self.after


@frozen
class Step:
    """One commit. `message` is None when its subject is none of scriptorium's."""

    commit: Oid
    facts: CommitFacts
    message: Message | None
    changes: Mapping[str, Change] = field(repr=False)
    tickets: Mapping[TicketId, TicketChange] = field(repr=False)

    @property
    def own(self) -> bool:
        """Whether scriptorium made it."""
        return self.facts.author == self.facts.committer == AUTHOR


def steps(repo: pygit2.Repository, objects: GitObjects, tip: Oid) -> Iterator[Step]:
    """Every commit from the first to `tip`, along first parents."""
    line: list[tuple[Oid, CommitFacts]] = []
    here: Oid | None = tip
    while here is not None:
        facts = objects.commit(here)
        line.append((here, facts))
        here = facts.parents[0] if facts.parents else None
    before: Oid | None = None
    for commit, facts in reversed(line):
        changes = _changes(repo, before, facts.tree)
        yield Step(commit, facts, parse_message(facts.message), changes, _tickets(changes))
        before = facts.tree


def _changes(repo: pygit2.Repository, before: Oid | None, after: Oid) -> dict[str, Change]:
    tree = repo[after].peel(pygit2.Tree)
    # Swapped, so that the deltas read from before to after: with no tree given, it is compared with nothing.
    if before is None:
        diff = tree.diff_to_tree(swap=True)
    else:
        diff = repo[before].peel(pygit2.Tree).diff_to_tree(tree)
    changes: dict[str, Change] = {}
    for delta in diff.deltas:
        match delta.status_char():
            case "A":
                changes[_path(delta.new_file)] = Change.ADDED
            case "D":
                changes[_path(delta.old_file)] = Change.REMOVED
            case _:
                changes[_path(delta.new_file)] = Change.MODIFIED
    return changes


def _path(file: pygit2.DiffFile) -> str:
    return file.raw_path.decode("utf-8", "backslashreplace")


def _tickets(changes: Mapping[str, Change]) -> dict[TicketId, TicketChange]:
    before: dict[TicketId, set[Place]] = {}
    after: dict[TicketId, set[Place]] = {}
    for path, change in changes.items():
        found = ticket_at(path)
        if found is None:
            continue
        ticket, place = found
        if change is not Change.ADDED:
            before.setdefault(ticket, set()).add(place)
        if change is not Change.REMOVED:
            after.setdefault(ticket, set()).add(place)
    return {
        ticket: TicketChange(frozenset(before.get(ticket, ())), frozenset(after.get(ticket, ())))
        for ticket in sorted(before.keys() | after.keys())
    }


def ticket_at(path: str) -> tuple[TicketId, Place] | None:
    """The ticket that a path belongs to, and its place; None for any other path."""
    folder, slash, name = path.rpartition("/")
    state = _FOLDERS.get(folder + slash)
    if state is None:
        return None
    try:
        ticket, slug = parse_ticket_name(name)
    except InvalidName:
        return None
    return ticket, Place(state, slug)
