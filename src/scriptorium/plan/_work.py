"""The transitions of a ticket's life, from assigned to done. Each is a value; applying it changes nothing."""

from __future__ import annotations

from attrs import evolve, frozen

from scriptorium.plan._conditions import PreconditionFailed, require, require_ticket
from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import ACTIVE, TicketState, ticket_path
from scriptorium.plan.message import Kind, Message, Trailer
from scriptorium.plan.notes import ReopenNote, RunNote
from scriptorium.plan.queue_entry import QueueEntry, render_active
from scriptorium.plan.recovery import is_recovery
from scriptorium.plan.snapshot import Snapshot, TicketFile
from scriptorium.plan.ticket import Field, Ticket


@frozen
class AssignTicket:
    """open → in-progress, with the branch and the worktree (a path, one line) that the agent gets.

    A ticket that is to mend the base branch shares its area with nobody.
    """

    ticket: TicketId
    branch: str
    worktree: str

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` unless the ticket is open, all that it depends on is done,
        and no other ticket of its area is in progress."""
        file, ticket = require_ticket(snapshot, self.ticket, TicketState.OPEN)
        for name in ticket.depends:
            require(snapshot.state_of(name) is TicketState.DONE, f"ticket {name}, a dependency, is not done")
        for other in () if is_recovery(file.slug) else snapshot.in_state(TicketState.IN_PROGRESS):
            require(other.ticket.area != ticket.area, f"ticket {other.id} of the same area is in progress")
        try:
            edited = ticket.with_fields({Field.BRANCH: self.branch, Field.WORKTREE: self.worktree})
        except ValueError as error:
            raise PreconditionFailed(str(error)) from error
        return _move(snapshot, file, edited, TicketState.IN_PROGRESS, Kind.ASSIGN, name=file.name)


@frozen
class RecordRun:
    """Append the note of a run to its ticket, wherever that is now. The same note again is nothing new."""

    ticket: TicketId
    note: RunNote

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` when the ticket is gone or unreadable."""
        file, ticket = require_ticket(snapshot, self.ticket, *TicketState)
        trailers = ((Trailer.TICKET, str(self.ticket)), (Trailer.ATTEMPT, str(self.note.attempt)))
        message = Message(Kind.RECORD_RUN, file.name, trailers)
        if any(self.note.numbered(run.number) == run for run in ticket.runs):
            return Edits(message)
        return Edits(message, {file.path: ticket.with_run(self.note).text})


@frozen
class Enqueue:
    """Put a submission at the end of the merge queue; one of the same ticket that still waits goes.

    The commit that is in the queue already is nothing new.
    """

    ticket: TicketId
    branch: str
    commit: Oid
    summary: str

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` unless the ticket is in progress and is not being landed."""
        require_ticket(snapshot, self.ticket, TicketState.IN_PROGRESS)
        earlier = snapshot.entry_of(self.ticket)
        if earlier is not None and earlier.commit == self.commit:
            return Edits(_queue_message(Kind.ENQUEUE, earlier))
        active = snapshot.active
        require(active is None or active.ticket != self.ticket, f"ticket {self.ticket} is being landed")
        number = snapshot.queue_high + 1
        entry = QueueEntry(number, self.ticket, self.branch, self.commit, self.summary)
        return Edits(
            _queue_message(Kind.ENQUEUE, entry),
            {entry.path: entry.render()},
            snapshot.entry_paths(self.ticket),
        )


@frozen
class StartLanding:
    """Name the ticket's entry as the one being landed.

    One that is named already is replaced when its ticket cannot be landed: it cannot be read, or a person
    has moved it; or the base branch is red, and this ticket is to mend it. Its entry waits on.
    """

    ticket: TicketId

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` unless the ticket is in progress and in the queue, and no
        other that is in progress is being landed."""
        file, _ = require_ticket(snapshot, self.ticket, TicketState.IN_PROGRESS)
        entry = snapshot.entry_of(self.ticket)
        if entry is None:
            raise PreconditionFailed(f"ticket {self.ticket} is not in the merge queue")
        active = _being_landed(snapshot)
        if active is not None:
            require(active == entry or is_recovery(file.slug), f"ticket {active.ticket} is being landed")
        return Edits(_queue_message(Kind.START_LANDING, entry), {ACTIVE: render_active(entry)})


@frozen
class CompleteTicket:
    """in-progress → done: the base branch contains the commit `landed`. Its queue entry goes.

    `submission` is the commit that was handed in and has landed, if that is known: one that was handed in
    since has not.
    """

    ticket: TicketId
    landed: Oid
    submission: Oid | None = None

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` unless the ticket is in progress, without another entry."""
        file, ticket = require_ticket(snapshot, self.ticket, TicketState.IN_PROGRESS)
        entry = snapshot.entry_of(self.ticket)
        if entry is not None and self.submission is not None:
            require(entry.commit == self.submission, f"entry {entry.name} has not landed")
        edits = _leave(snapshot, file, ticket, TicketState.DONE, Kind.COMPLETE)
        landed = (*edits.message.trailers, (Trailer.LANDED, str(self.landed)))
        return evolve(edits, message=evolve(edits.message, trailers=landed))


@frozen
class ReopenTicket:
    """in-progress → open, with the note that says why. Its queue entry goes; its branch stays.

    `entry` is what the note is about, if it is about a submission.
    """

    ticket: TicketId
    note: ReopenNote
    entry: QueueEntry | None = None

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` unless the ticket is in progress, with that entry."""
        file, ticket = require_ticket(snapshot, self.ticket, TicketState.IN_PROGRESS)
        _require_entry(snapshot, self.ticket, self.entry)
        edited = ticket.with_reopen(evolve(self.note, parked=False))
        return _leave(snapshot, file, edited, TicketState.OPEN, Kind.REOPEN)


@frozen
class ParkTicket:
    """in-progress or open → stuck, with the note that says why: a person has to look at it.

    `entry` is what the note is about, if it is about a submission.
    """

    ticket: TicketId
    note: ReopenNote
    entry: QueueEntry | None = None

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` unless it is in progress or open, with that entry."""
        states = (TicketState.IN_PROGRESS, TicketState.OPEN)
        file, ticket = require_ticket(snapshot, self.ticket, *states)
        _require_entry(snapshot, self.ticket, self.entry)
        edited = ticket.with_reopen(evolve(self.note, parked=True))
        return _leave(snapshot, file, edited, TicketState.STUCK, Kind.PARK_TICKET)


@frozen
class UnparkTicket:
    """stuck → open, with the note from which its tries count anew. Its branch stays."""

    ticket: TicketId

    def apply(self, snapshot: Snapshot) -> Edits:
        """The edits; raises `PreconditionFailed` unless the ticket is stuck."""
        file, ticket = require_ticket(snapshot, self.ticket, TicketState.STUCK)
        return _leave(snapshot, file, ticket.with_unpark(), TicketState.OPEN, Kind.UNPARK_TICKET)


def _require_entry(snapshot: Snapshot, ticket: TicketId, entry: QueueEntry | None) -> None:
    """An outcome is of one submission: what a person's hand has put in its place is judged by itself."""
    if entry is not None:
        require(snapshot.entry_of(ticket) == entry, f"the queue has no entry {entry.name} any more")


def _leave(snapshot: Snapshot, file: TicketFile, ticket: Ticket, to: TicketState, kind: Kind) -> Edits:
    return _move(snapshot, file, ticket.with_field(Field.WORKTREE, None), to, kind, name=file.id)


def _move(
    snapshot: Snapshot, file: TicketFile, ticket: Ticket, to: TicketState, kind: Kind, *, name: str
) -> Edits:
    """The edits that move a ticket; what the queue holds of it was about the state that it leaves."""
    trailers = ((Trailer.TICKET, str(file.id)), (Trailer.FROM, str(file.state)), (Trailer.TO, str(to)))
    writes = {ticket_path(to, file.id, file.slug): ticket.text}
    removes = snapshot.queue_paths(file.id) | {file.path}
    return Edits(Message(kind, name, trailers), writes, removes)


def _being_landed(snapshot: Snapshot) -> QueueEntry | None:
    """The entry that `active.md` names, if its ticket is readable and in progress: else nobody lands it."""
    active = snapshot.active
    file = None if active is None else snapshot.find(active.ticket)
    return None if file is None or file.state is not TicketState.IN_PROGRESS else active


def _queue_message(kind: Kind, entry: QueueEntry) -> Message:
    trailers = ((Trailer.TICKET, str(entry.ticket)), (Trailer.QUEUE, f"{entry.number:04d}"))
    return Message(kind, entry.ticket, trailers)
