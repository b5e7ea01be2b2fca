"""What is wrong with the plan and can be put right in exactly one way, and the transition that does it.

Everything else is left to a person: `scriptorium check` names it. Why each is the only right answer is said
where it is made; what is removed is in the history of the branch, and submissions are pinned besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from attrs import field, frozen

from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import ACTIVE, KEEP, TicketState
from scriptorium.plan.message import Kind, Message, Trailer
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.snapshot import Snapshot, TicketFile


@frozen
class PutKeep:
    """The `.gitkeep` of a folder of the layout is missing: it is always there, and always empty."""

    folder: str

    @property
    def path(self) -> str:
        """The file."""
        return f"{self.folder}/{KEEP}"

    @property
    def words(self) -> str:
        """What is done, for a person."""
        return f"{self.path}: put back"

    def edit(self, snapshot: Snapshot) -> _Edit:
        """The edit, whatever the plan is now: the same file again changes nothing."""
        return _Edit({self.path: ""})


@frozen
class DropEntry:
    """A queue entry, and `active.md` if it names it, whose ticket is not in progress: only such a ticket can
    land, and no transition would ever take the entry away. The submitted commit stays pinned."""

    entry: QueueEntry
    state: str

    @property
    def path(self) -> str:
        """The file of the entry."""
        return self.entry.path

    @property
    def words(self) -> str:
        """What is done, for a person."""
        return f"{self.path}: removed, as ticket {self.entry.ticket} is {self.state}, not in progress"

    def edit(self, snapshot: Snapshot) -> _Edit:
        """The edit; none when the entry is gone, or its ticket is in progress again."""
        still = self.entry in snapshot.pending and is_out_of_progress(snapshot, self.entry.ticket)
        return _Edit(removes=snapshot.queue_paths(self.entry.ticket)) if still else _Edit()


@frozen
class DropActive:
    """`active.md` names an entry that is not there: nothing is being landed, and so everybody reads it."""

    ticket: TicketId

    @property
    def path(self) -> str:
        """The file."""
        return ACTIVE

    @property
    def words(self) -> str:
        """What is done, for a person."""
        return f"{ACTIVE}: removed, as it names an entry of ticket {self.ticket} that is not there"

    def edit(self, snapshot: Snapshot) -> _Edit:
        """The edit; none when `active.md` is gone, or its entry is there."""
        still = snapshot.active is None and snapshot.active_ticket == self.ticket
        return _Edit(removes=frozenset({ACTIVE})) if still else _Edit()


@frozen
class DropCopies:
    """A ticket is there several times with the same text: only scriptorium moves tickets, so the copy where
    its last transition put it is the one that stays, and no word is lost with the others."""

    ticket: TicketId
    stays: str
    goes: tuple[str, ...]
    blob: Oid

    @property
    def path(self) -> str:
        """The first of the copies that go."""
        return self.goes[0]

    @property
    def words(self) -> str:
        """What is done, for a person."""
        return f"{', '.join(self.goes)}: removed, the same text as {self.stays}, where scriptorium put it"

    def edit(self, snapshot: Snapshot) -> _Edit:
        """The edit; none when the copies are not those that were seen."""
        files = same_copies(snapshot, self.ticket)
        still = {file.path for file in files} == {self.stays, *self.goes} and files[0].blob == self.blob
        may = any(file.path == self.stays and may_stay(snapshot, file) for file in files)
        return _Edit(removes=frozenset(self.goes)) if still and may else _Edit()


Repair: TypeAlias = PutKeep | DropEntry | DropActive | DropCopies


@frozen
class RepairPlan:
    """Put right what each of `repairs` is about, as far as that is still so; nothing left is no error."""

    repairs: tuple[Repair, ...]

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; each repair is decided again on this snapshot."""
        writes: dict[str, str] = {}
        removes: set[str] = set()
        for repair in self.repairs:
            edit = repair.edit(snapshot)
            writes.update(edit.writes)
            removes |= edit.removes
        paths = sorted(removes.union(writes))
        message = Message(Kind.REPAIR, trailers=tuple((Trailer.REPAIRED, path) for path in paths))
        return Edits(message, writes, frozenset(removes))


@frozen
class _Edit:
    writes: Mapping[str, str] = field(factory=dict)
    removes: frozenset[str] = frozenset()


def queue_repairs(snapshot: Snapshot) -> tuple[Repair, ...]:
    """What the queue holds of tickets that are not in progress any more, as a person has moved them."""
    repairs: list[Repair] = [
        DropEntry(entry, str(snapshot.state_of(entry.ticket) or "not there"))
        for entry in snapshot.pending
        if is_out_of_progress(snapshot, entry.ticket)
    ]
    if snapshot.active is None and snapshot.active_ticket is not None:
        repairs.append(DropActive(snapshot.active_ticket))
    return tuple(repairs)


def is_out_of_progress(snapshot: Snapshot, ticket: TicketId) -> bool:
    """Whether a ticket is certainly not in progress: it is elsewhere, or nowhere at all.

    Not one that is there twice, nor one that a file may be meant for which is not understood.
    """
    state = snapshot.state_of(ticket)
    if state is not None:
        return state is not TicketState.IN_PROGRESS
    if ticket in snapshot.duplicates:
        return False
    in_progress = TicketState.IN_PROGRESS.folder
    hidden = snapshot.problem_at(f"{in_progress}/{ticket}") is not None
    return not hidden and not any(
        problem.path.startswith(f"{in_progress}/{ticket}") for problem in snapshot.problems
    )


def may_stay(snapshot: Snapshot, file: TicketFile) -> bool:
    """Whether this copy of a ticket may be the one that stays.

    A ticket that a person put in progress may have been submitted there, which is no move: its entry in the
    queue speaks for the copy in progress, and the last move for another. That is for a person to decide.
    """
    return file.state is TicketState.IN_PROGRESS or snapshot.entry_of(file.id) is None


def same_copies(snapshot: Snapshot, ticket: TicketId) -> tuple[TicketFile, ...]:
    """The files of a ticket that is in several folders, once in each, with the same text; else none."""
    found = (folder.tickets.get(ticket) for folder in snapshot.folders.values())
    files = tuple(file for file in found if file is not None)
    whole = {file.path for file in files} == set(snapshot.duplicates.get(ticket, ()))
    return files if whole and len({file.blob for file in files}) == 1 else ()
