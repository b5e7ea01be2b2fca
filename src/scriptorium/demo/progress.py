"""What the demo shows while it runs: pure state, fed with events, and read by whichever display there is."""

from __future__ import annotations

from attrs import define, field

from scriptorium.actors import events as news
from scriptorium.plan.ids import AreaName, TicketId


@define
class TicketProgress:
    """One ticket as the events tell of it; times in seconds of any one clock."""

    title: str = ""
    state: str = "open"
    began: float | None = None
    ended: float | None = None
    attempts: int = 0
    trouble: list[str] = field(factory=list)

    @property
    def seconds(self) -> float | None:
        """From the first assignment to the end."""
        return None if self.began is None or self.ended is None else self.ended - self.began


@define
class Progress:
    """All tickets, by id, and how many agents, planners among them, were at work at once at the most."""

    tickets: dict[TicketId, TicketProgress] = field(factory=dict)
    most_at_once: int = 0
    _working: set[TicketId | AreaName | None] = field(factory=set)
    """By ticket, or by area (None: the architect)."""

    def take(self, event: object, now: float) -> None:
        """Follow one event."""
        self._take_planning(event)
        match event:
            case news.TicketsCreated():
                for ticket in event.tickets:
                    self.tickets.setdefault(ticket, TicketProgress())
            case news.TicketAssigned():
                found = self._of(event.ticket)
                found.title, found.state = event.title, "assigned"
                found.began = now if found.began is None else found.began
            case news.AttemptStarted():
                self._of(event.ticket).attempts += 1
                self._of(event.ticket).state = "agent at work"
                self._work(event.ticket)
            case news.AttemptOver():
                self._working.discard(event.ticket)
            case news.Submitted():
                self._of(event.ticket).state = "submitted"
            case news.ChecksStarted(ticket=ticket) if ticket is not None:
                self._of(ticket).state = "checks run"
            case news.Reopened():
                self._of(event.ticket).state = "reopened"
                self._of(event.ticket).trouble.append(event.reason)
            case news.Landed():
                self._of(event.ticket).state = "landed"
                self._of(event.ticket).ended = now
            case news.Parked():
                self._of(event.ticket).state = "stuck"
                self._of(event.ticket).ended = now
            case _:
                return

    def _take_planning(self, event: object) -> None:
        match event:
            case news.PlannerStarted():
                self._work(event.area)
            case news.PlannerFailed() | news.TicketsCreated():
                self._working.discard(event.area)
            case news.AreasWritten():
                self._working.discard(None)
            case _:
                return

    def _work(self, agent: TicketId | AreaName | None) -> None:
        self._working.add(agent)
        self.most_at_once = max(self.most_at_once, len(self._working))

    def _of(self, ticket: TicketId) -> TicketProgress:
        return self.tickets.setdefault(ticket, TicketProgress())
