"""What a person or a program may want to hear while scriptorium runs. Only news: no decision reads it."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from attrs import frozen

from scriptorium.code.following import FOLLOWING
from scriptorium.plan.ids import AreaName, Oid, TicketId


@frozen
class ServiceStarted:
    """The MCP server listens; the actors start next."""

    endpoint: str
    note: str = ""


@frozen
class ServiceStopping:
    """No new work from here on."""

    reason: str


@frozen
class PlannerStarted:
    """The architect (no area) or the manager of an area was started."""

    area: AreaName | None
    attempt: int


@frozen
class PlannerFailed:
    """A planner's run gave nothing that can be used."""

    area: AreaName | None
    reason: str
    final: bool


@frozen
class AreasWritten:
    """The areas are those of the present spec."""

    areas: tuple[AreaName, ...]


@frozen
class TicketsCreated:
    """An area was ticketed, perhaps with no ticket."""

    area: AreaName
    tickets: tuple[TicketId, ...]


@frozen
class TicketAssigned:
    """A ticket moved from open to in-progress."""

    ticket: TicketId
    title: str


@frozen
class AttemptStarted:
    """A coding agent's process is being started."""

    ticket: TicketId
    attempt: int
    harness: str


@frozen
class AttemptOver:
    """A coding agent's process and all its descendants are gone.

    `detail` is the ending in more words, if there are any: the rest of a sentence that begins with a name.
    """

    ticket: TicketId
    attempt: int
    ending: str
    detail: str


@frozen
class Submitted:
    """A submission was accepted into the merge queue."""

    ticket: TicketId
    commit: Oid


@frozen
class ChecksStarted:
    """The checks run on a tree: of a ticket, or of the base branch (no ticket)."""

    ticket: TicketId | None


@frozen
class FlakyCheck:
    """A check failed on a tree and passed when it was run again; of a ticket, or of the base branch."""

    ticket: TicketId | None
    command: str
    log: str

    @property
    def what(self) -> str:
        """The line for a person."""
        name = f"flaky check of {self.ticket or 'the base branch'}"
        return f"{name}: `{self.command}` failed, then passed on the same tree; see {self.log}"


@frozen
class Landed:
    """The base branch moved to this commit and the ticket is done."""

    ticket: TicketId
    commit: Oid


@frozen
class Reopened:
    """A ticket went back to open, with the reason."""

    ticket: TicketId
    reason: str


@frozen
class Parked:
    """A ticket is stuck until a person looks at it."""

    ticket: TicketId
    reason: str


@frozen
class BaseHealthChanged:
    """The verdict on the base branch's tip."""

    branch: str
    state: str
    reason: str
    since: str | None = None
    """Red: RFC 3339 in UTC, when it was first seen so."""


@frozen
class RecoveryBegun:
    """A ticket was made to mend the base branch, which is red; nothing else is assigned meanwhile."""

    ticket: TicketId
    branch: str

    @property
    def what(self) -> str:
        """The line for a person."""
        return f"{self.ticket} is to make the base branch {self.branch} green again"


@frozen
class LandingBlocked:
    """Uncommitted work is in the way of a landing; it goes on when the files are out of the way."""

    ticket: TicketId
    files: tuple[str, ...]

    @property
    def what(self) -> str:
        """The line for a person."""
        who = "what others have pushed" if self.ticket == FOLLOWING else self.ticket
        return f"{who} cannot land, uncommitted changes are in the way: {', '.join(self.files)}"


@frozen
class PushedToRemote:
    """The remote's branch is at this commit of the base."""

    remote: str
    branch: str
    commit: Oid

    @property
    def what(self) -> str:
        """The line for a person."""
        return f"{self.branch} pushed to {self.remote}, at {self.commit[:10]}"


@frozen
class RemoteTrouble:
    """Something keeps the remote and the base from being the same; it is said once."""

    remote: str
    reason: str

    @property
    def what(self) -> str:
        """The line for a person."""
        return f"remote {self.remote}: {self.reason}"


@frozen
class RemoteFollowed:
    """The base contains what others had pushed to the remote, up to this commit."""

    branch: str
    commit: Oid

    @property
    def what(self) -> str:
        """The line for a person."""
        return f"{self.branch} now has what was pushed to the remote, up to {self.commit[:10]}"


@frozen
class SetAside:
    """A file of the plan cannot be read; everything else goes on, and so does this once it is mended."""

    path: str
    reason: str

    @property
    def what(self) -> str:
        """The line for a person."""
        return f"set aside until it is mended: {self.path}: {self.reason}"


@frozen
class Mended:
    """A file of the plan that was set aside can be read again, or is gone."""

    path: str

    @property
    def what(self) -> str:
        """The line for a person."""
        return f"not in the way any more: {self.path}"


@frozen
class Trouble:
    """Something went wrong that scriptorium deals with by itself; `what` says how."""

    what: str


@frozen
class Recovered:
    """What the start put right after an earlier service ended without saying goodbye."""

    what: str


@frozen
class Tidied:
    """Something that had served its time was let go of."""

    what: str


Worded: TypeAlias = (
    RecoveryBegun
    | FlakyCheck
    | LandingBlocked
    | PushedToRemote
    | RemoteTrouble
    | RemoteFollowed
    | SetAside
    | Mended
    | Trouble
    | Recovered
    | Tidied
)
"""Those that bring their line for a person along."""

Event: TypeAlias = (
    ServiceStarted
    | ServiceStopping
    | PlannerStarted
    | PlannerFailed
    | AreasWritten
    | TicketsCreated
    | TicketAssigned
    | AttemptStarted
    | AttemptOver
    | Submitted
    | ChecksStarted
    | Landed
    | Reopened
    | Parked
    | BaseHealthChanged
    | Worded
)


def describe(event: Event) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each kind of event
    """One line for a person."""
    if isinstance(event, Worded):
        return event.what
    match event:
        case ServiceStarted():
            return f"listening on {event.endpoint}{event.note}"
        case ServiceStopping():
            return f"stopping: {event.reason}"
        case PlannerStarted():
            return f"{describe_planner(event.area)} started (try {event.attempt})"
        case PlannerFailed():
            again = f"given up until the text changes, or `scriptorium unpark {event.area or 'spec'}`"
            end = again if event.final else "trying again"
            return f"{describe_planner(event.area)} failed, {end}: {event.reason}"
        case AreasWritten():
            return f"areas: {', '.join(event.areas)}"
        case TicketsCreated():
            return f"area {event.area}: {_tickets(event.tickets)}"
        case TicketAssigned():
            return f"{event.ticket} assigned: {event.title}"
        case AttemptStarted():
            return f"{event.ticket} attempt {event.attempt} started ({event.harness})"
        case AttemptOver():
            return f"{event.ticket} attempt {event.attempt} {event.detail or event.ending}"
        case Submitted():
            return f"{event.ticket} submitted {event.commit[:10]}"
        case ChecksStarted():
            return f"checking {event.ticket}" if event.ticket else "checking the base branch"
        case Landed():
            return f"{event.ticket} landed as {event.commit[:10]}"
        case Reopened():
            return f"{event.ticket} reopened: {event.reason}"
        case Parked():
            return f"{event.ticket} is stuck until `scriptorium unpark {event.ticket}`: {event.reason}"
        case BaseHealthChanged():
            since = f" since {event.since}" if event.since else ""
            return f"base branch {event.branch} is {event.state}{since}{_tail(event.reason)}"
        case _:
            assert_never(event)


def describe_planner(area: AreaName | None) -> str:
    """Which planner: the architect, or the manager of an area."""
    return "architect" if area is None else f"manager of {area}"


def _tickets(tickets: tuple[TicketId, ...]) -> str:
    return f"tickets {', '.join(tickets)}" if tickets else "no ticket needed"


def _tail(detail: str) -> str:
    return f": {detail}" if detail else ""
