"""One attempt of a coding agent that is under way, and the session that its CLI can go on with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import trio
from attrs import define, field

from scriptorium.actors.attempts import Ending
from scriptorium.actors.world import AgentJob
from scriptorium.code.capture import Captured
from scriptorium.code.worktrees import Prepared
from scriptorium.harness.events import Usage
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.reading import session_of
from scriptorium.plan.notes import ReopenNote, RunNote
from scriptorium.plan.ticket import Ticket
from scriptorium.server import SubmitAnswer


@define
class Attempt:
    """The run: its job, its worktree, and what was accepted from it, if anything, with the answer."""

    job: AgentJob
    prepared: Prepared
    started: str
    began: float
    accepted: Captured | None = None
    answer: SubmitAnswer | None = None
    submitted: trio.Event = field(factory=trio.Event)
    stop: trio.Event = field(factory=trio.Event)


@define
class Session:
    """What a CLI has of one conversation: its name, to resume it by, and what it has used so far."""

    harness: str
    name: str | None = None
    _usage: Usage = field(factory=Usage)

    def find(self, ticket: Ticket, number: int, log: Path) -> None:
        """Before attempt `number`, which logs to `log`: take up a run that was cut short.

        By a stop or by the provider, which is in the ticket, or by a kill, which left a log alone. Reads
        files; does nothing when there is a session.
        """
        if self.name is not None or number == 1:
            return
        last = ticket.log[-1] if ticket.log else None
        recorded = max((note.attempt for note in ticket.runs), default=0)
        if not (isinstance(last, RunNote) and last.outcome in _CUT_SHORT) and recorded == number - 1:
            return
        self.name = session_of(log.with_name(f"{number - 1}.jsonl"), self.harness)
        self._usage = self._used_before(ticket, log)

    def _used_before(self, ticket: Ticket, log: Path) -> Usage:
        """What the notes say of this session, which cannot be older than the ticket's last return.

        A CLI tells of the session as a whole.
        """
        came_back = max((at for at, note in enumerate(ticket.log) if isinstance(note, ReopenNote)), default=0)
        runs = [
            note
            for note in ticket.log[came_back:]
            if isinstance(note, RunNote)
            and session_of(log.with_name(f"{note.attempt}.jsonl"), self.harness) == self.name
        ]
        return Usage(
            sum(note.tokens_in or 0 for note in runs),
            sum(note.tokens_out or 0 for note in runs),
            sum(note.cost_usd or 0.0 for note in runs),
        )

    def follow(self, job: AgentJob, outcome: AgentOutcome, ending: Ending) -> Usage:
        """Remember what to resume after a run; returns what this run used, earlier ones not counted."""
        if ending is Ending.INFRASTRUCTURE_FAULT:
            return outcome.usage  # it has not begun: the session is as it was
        resumed = job.resume is not None and job.resume == outcome.session
        used = outcome.usage.since(self._usage) if resumed else outcome.usage
        self.name = outcome.session
        if not (
            resumed and outcome.usage.tokens_in is None
        ):  # else it did not say: what was known still holds
            self._usage = outcome.usage
        return used


_CUT_SHORT: Final = frozenset({Ending.STOPPED.value, Ending.PROVIDER_FAULT.value})
