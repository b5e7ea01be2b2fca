"""The history of the plan branch as steps, oldest first: each commit with the files that it changed and the
tickets that it moved. One at a time: of fifty thousand commits, only the names are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from scriptorium.plan._tree_changes import Change, TreeChanges
from scriptorium.plan.ids import InvalidName, Oid, Slug, TicketId
from scriptorium.plan.layout import AUTHOR, TicketState, parse_ticket_name, ticket_path
from scriptorium.plan.message import Message, parse_message
from scriptorium.plan.objects import CommitFacts, GitObjects, ObjectMissing

_FOLDERS: Final = {f"{state.folder}/": state for state in TicketState}
_OID_BYTES: Final = 20


@frozen
class Place:
    """Where a ticket is: its state, and the slug in its name."""

    state: TicketState
    slug: Slug

    def path(self, ticket: TicketId) -> str:
        """The path of that ticket there."""
        return ticket_path(self.state, ticket, self.slug)


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
    """One commit. `message` is None when its subject is none of scriptorium's.

    `cut` when the commits before it are not in this repository: what it changed cannot be told, and
    `changes` has all that is there.
    """

    commit: Oid
    facts: CommitFacts
    message: Message | None
    changes: Mapping[str, Change] = field(repr=False)
    tickets: Mapping[TicketId, TicketChange] = field(repr=False)
    cut: bool = False

    @property
    def own(self) -> bool:
        """Whether scriptorium made it."""
        return self.facts.author == self.facts.committer == AUTHOR

    @property
    def subject(self) -> str:
        """The first line of its message."""
        return self.facts.message.partition("\n")[0]


@frozen(eq=False)
class Line:
    """The commits from the first to a tip, along first parents. `cut` in a shallow clone."""

    _commits: bytes = field(repr=False)
    cut: bool

    def __len__(self) -> int:
        return len(self._commits) // _OID_BYTES

    def __iter__(self) -> Iterator[Oid]:
        for end in range(len(self._commits), 0, -_OID_BYTES):
            yield Oid(self._commits[end - _OID_BYTES : end].hex())


def read_line(git_dir: Path, objects: GitObjects, tip: Oid) -> Line:
    """The line that ends at `tip`; raises `ObjectMissing` when the repository lacks a commit of it."""
    shallow = _shallow(git_dir)
    commits = bytearray()
    here: Oid | None = tip
    while here is not None:
        commits += bytes.fromhex(here)
        parents = objects.commit(here).parents
        if parents and here in shallow:
            return Line(bytes(commits), cut=True)
        here = parents[0] if parents else None
    return Line(bytes(commits), cut=False)


def _shallow(git_dir: Path) -> frozenset[str]:
    """The commits whose parents a shallow clone has left out."""
    try:
        return frozenset((git_dir / "shallow").read_text().split())
    except FileNotFoundError:
        return frozenset()


def steps(objects: GitObjects, line: Line) -> Iterator[Step]:
    """Every commit of the line, oldest first. Raises `ObjectMissing`."""
    trees = TreeChanges(objects)
    before: Oid | None = None
    cut = line.cut
    for commit in line:
        step = _step(objects, trees, commit, before, cut=cut)
        yield step
        before, cut = step.facts.tree, False


def steps_back(objects: GitObjects, tip: Oid) -> Iterator[Step]:
    """The commits from `tip` back along first parents, each read when it is asked for.

    Ends before the first of all, and before one whose parent cannot be read here. Raises `ObjectMissing`.
    """
    trees = TreeChanges(objects)
    facts = objects.commit(tip)
    while facts.parents:
        try:
            parent = objects.commit(facts.parents[0])
        except ObjectMissing:
            return
        yield _step(objects, trees, tip, parent.tree)
        tip, facts = facts.parents[0], parent


def _step(
    objects: GitObjects, trees: TreeChanges, commit: Oid, before: Oid | None, *, cut: bool = False
) -> Step:
    facts = objects.commit(commit)
    changes = trees.between(before, facts.tree)
    return Step(commit, facts, parse_message(facts.message), changes, _tickets(changes), cut)


def _tickets(changes: Mapping[str, Change]) -> dict[TicketId, TicketChange]:
    before: dict[TicketId, set[Place]] = {}
    after: dict[TicketId, set[Place]] = {}
    for path, change in changes.items():
        found = ticket_at(path)
        if found is None:
            continue
        ticket, place = found
        if change.before is not None:
            before.setdefault(ticket, set()).add(place)
        if change.after is not None:
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
