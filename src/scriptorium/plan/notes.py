"""What happened to a ticket, appended to it as sections of scriptorium's own: `## Run N` for each run of
an agent, `## Reopened N` when its work came back, `## Parked N` when scriptorium gave up on it, and
`## Unparked N` when it was let be tried again.

A note parses back equal to what was rendered. Everything that an agent or a check wrote is quoted.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self, TypeAlias

from attrs import Attribute, converters, evolve, field, frozen

from scriptorium.plan._records import Record, RecordUnreadable, render_record
from scriptorium.plan._text import clean_line, clean_lines, clean_text
from scriptorium.plan.ids import TicketId, parse_ticket_id

DETAIL_LIMIT: Final = 4_000
"""Characters of an explanation: enough for a page, small enough for hundreds of notes in a ticket."""

CONFLICTS_LIMIT: Final = 16_000
"""Characters of what is in conflict; the agent finds all of it in its worktree."""

OUTPUT_TAIL_LIMIT: Final = 16_000
"""Characters of a check's output, the last ones; the whole of it is in the log file."""

_DETAIL = "Detail"
_UNSUBMITTED = "Written after the submission, and not part of it"
_FINDINGS = "Found in the worktree"
_FILES = "Files"
_CONFLICTS = "Conflicts"
_OUTPUT = "End of the output"


class TimeoutKind(StrEnum):
    """Which limit ended a run."""

    NONE = "none"
    NO_OUTPUT = "no-output"
    HARD = "hard"


class ReopenReason(StrEnum):
    """Why a ticket's work came back, or why the ticket was parked."""

    CHECKS_FAILED = "checks-failed"
    CONFLICT = "conflict"
    ATTEMPTS_USED_UP = "attempts-used-up"
    NOTHING_TO_LAND = "nothing-to-land"
    AGENT_FAILED = "agent-failed"
    SUBMISSION_LOST = "submission-lost"
    STOPPED_BY_HAND = "stopped-by-hand"
    NOT_NEEDED = "not-needed"


def _detail(text: str) -> str:
    return clean_text(text, DETAIL_LIMIT)


def _conflicts(text: str) -> str:
    return clean_text(text, CONFLICTS_LIMIT)


def _output_tail(text: str) -> str:
    return clean_text(text, OUTPUT_TAIL_LIMIT, keep="tail")


def _line(text: str) -> str:
    return clean_line(text)


def _lines(texts: tuple[str, ...]) -> tuple[str, ...]:
    return clean_lines(texts)


def _tickets(text: str) -> tuple[TicketId, ...]:
    return tuple(parse_ticket_id(name.strip()) for name in text.split(",")) if text else ()


def _not_negative(_note: object, attribute: Attribute[Any], value: Any) -> None:  # noqa: ANN401
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{attribute.name} must be a number, 0 or more, not {value}")


@frozen(kw_only=True)
class RunNote:
    """One run of an agent: one process, from its start to its end.

    `number` is given when the note is added to a ticket. `attempt` counts the runs of the ticket's
    agent; `counted` says whether this one counts against `maxAttempts`. `started` is RFC 3339 in UTC.
    `unsubmitted` names files that were written after the accepted submission; `findings` is what scriptorium
    found in the worktree of a run that did not submit.
    """

    kind: ClassVar[Literal["run"]] = "run"

    number: int = field(default=0, validator=_not_negative)
    outcome: str = field(converter=_line)
    harness: str = field(converter=_line)
    model: str | None = field(default=None, converter=converters.optional(_line))
    exit_code: int | None = None
    signal: int | None = None
    attempt: int = field(validator=_not_negative)
    counted: bool
    timeout: TimeoutKind = field(default=TimeoutKind.NONE, converter=TimeoutKind)
    started: str = field(converter=_line)
    duration_seconds: float = field(converter=float, validator=_not_negative)
    tokens_in: int | None = field(default=None, validator=_not_negative)
    tokens_out: int | None = field(default=None, validator=_not_negative)
    cost_usd: float | None = field(
        default=None, converter=converters.optional(float), validator=_not_negative
    )
    log: str = field(default="", converter=_line)
    detail: str = field(default="", converter=_detail)
    unsubmitted: tuple[str, ...] = field(default=(), converter=_lines)
    findings: str = field(default="", converter=_output_tail)

    @property
    def heading(self) -> str:
        """The heading of the note's section."""
        return f"Run {self.number}"

    def numbered(self, number: int) -> Self:
        """The same note as number `number`."""
        return evolve(self, number=number)

    def render(self) -> str:
        """The section, from its heading to its last newline."""
        values = {
            "Outcome": self.outcome,
            "Harness": self.harness,
            "Model": self.model,
            "Exit code": self.exit_code,
            "Signal": self.signal,
            "Attempt": self.attempt,
            "Counted": self.counted,
            "Timeout": self.timeout,
            "Started": self.started,
            "Duration in seconds": self.duration_seconds,
            "Tokens in": self.tokens_in,
            "Tokens out": self.tokens_out,
            "Cost in USD": self.cost_usd,
            "Log": self.log,
        }
        texts = {
            _DETAIL: self.detail,
            _UNSUBMITTED: "\n".join(self.unsubmitted),
            _FINDINGS: self.findings,
        }
        return f"## {self.heading}\n\n{render_record(values, texts)}"

    @classmethod
    def parse(cls, number: int, record: Record) -> RunNote:
        """The note that `record`, the section `## Run <number>`, holds; raises `RecordUnreadable`."""
        try:
            return cls(
                number=number,
                outcome=record.value("Outcome"),
                harness=record.value("Harness"),
                model=record.values.get("Model"),
                exit_code=record.optional_integer("Exit code"),
                signal=record.optional_integer("Signal"),
                attempt=record.integer("Attempt"),
                counted=record.flag("Counted"),
                timeout=TimeoutKind(record.value("Timeout")),
                started=record.value("Started"),
                duration_seconds=float(record.value("Duration in seconds")),
                tokens_in=record.optional_integer("Tokens in"),
                tokens_out=record.optional_integer("Tokens out"),
                cost_usd=record.optional_number("Cost in USD"),
                log=record.value("Log"),
                detail=record.text(_DETAIL),
                unsubmitted=record.lines(_UNSUBMITTED),
                findings=record.text(_FINDINGS),
            )
        except RecordUnreadable:
            raise
        except ValueError as error:
            raise RecordUnreadable(str(error)) from error


@frozen(kw_only=True)
class ReopenNote:
    """Why a ticket's work came back (`parked` False), or why scriptorium gave up on it (True).

    `number` and `parked` are set when the note is added to a ticket. `files` are the conflicted ones,
    `tickets` those whose landings brought the other side, and `conflicts` tells it file by file, with the
    hunks; `command`, `exit_code`, `log` and `output_tail` are of the check that failed.
    """

    kind: ClassVar[Literal["reopen"]] = "reopen"

    number: int = field(default=0, validator=_not_negative)
    parked: bool = False
    reason: ReopenReason = field(converter=ReopenReason)
    detail: str = field(default="", converter=_detail)
    files: tuple[str, ...] = field(default=(), converter=_lines)
    tickets: tuple[TicketId, ...] = ()
    conflicts: str = field(default="", converter=_conflicts)
    command: str | None = field(default=None, converter=converters.optional(_line))
    exit_code: int | None = None
    log: str | None = field(default=None, converter=converters.optional(_line))
    output_tail: str = field(default="", converter=_output_tail)

    @property
    def heading(self) -> str:
        """The heading of the note's section."""
        return f"{'Parked' if self.parked else 'Reopened'} {self.number}"

    def numbered(self, number: int) -> Self:
        """The same note as number `number`."""
        return evolve(self, number=number)

    def render(self) -> str:
        """The section, from its heading to its last newline."""
        values = {
            "Reason": self.reason,
            "Conflicts with": ", ".join(self.tickets) or None,
            "Command": self.command,
            "Exit code": self.exit_code,
            "Log": self.log,
        }
        texts = {
            _DETAIL: self.detail,
            _FILES: "\n".join(self.files),
            _CONFLICTS: self.conflicts,
            _OUTPUT: self.output_tail,
        }
        return f"## {self.heading}\n\n{render_record(values, texts)}"

    @classmethod
    def parse(cls, number: int, record: Record, *, parked: bool) -> ReopenNote:
        """The note that `record` holds; raises `RecordUnreadable`."""
        try:
            return cls(
                number=number,
                parked=parked,
                reason=ReopenReason(record.value("Reason")),
                detail=record.text(_DETAIL),
                files=record.lines(_FILES),
                tickets=_tickets(record.values.get("Conflicts with", "")),
                conflicts=record.text(_CONFLICTS),
                command=record.values.get("Command"),
                exit_code=record.optional_integer("Exit code"),
                log=record.values.get("Log"),
                output_tail=record.text(_OUTPUT),
            )
        except RecordUnreadable:
            raise
        except ValueError as error:
            raise RecordUnreadable(str(error)) from error


class UnparkNote(NamedTuple):
    """The ticket may be tried again: what happened before counts against nothing any more."""

    number: int = 0

    @property
    def kind(self) -> Literal["unpark"]:
        """As of the others."""
        return "unpark"

    @property
    def heading(self) -> str:
        """The heading of the note's section."""
        return f"Unparked {self.number}"

    def render(self) -> str:
        """The section, from its heading to its last newline."""
        return f"## {self.heading}\n\nIts tries start anew. Its branch is continued.\n"


Note: TypeAlias = RunNote | ReopenNote | UnparkNote
