"""What a line of an agent's output can mean, whatever CLI it came from, and what is kept of it all."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from attrs import define, field, frozen

from scriptorium.harness.faults import ProviderFault
from scriptorium.harness.spec import Activity


@frozen
class SessionStarted:
    """The session that can be resumed."""

    session: str


@frozen
class Message:
    """Something the agent says; the last one is its answer."""

    text: str


@frozen
class ToolOpened:
    """A tool call begins: until it is closed, silence is normal. `detail` is what it is to do, for people."""

    call: str
    name: str
    detail: str = field(default="", eq=False)


@frozen
class ToolClosed:
    """A tool call has ended."""

    call: str
    name: str
    failed: bool = False
    detail: str = field(default="", eq=False)


@frozen
class UsageReported:
    """Tokens used so far, and what they cost in US dollars if the CLI says so; see `Usage`."""

    tokens_in: int
    tokens_out: int
    cost_usd: float | None = None
    of_session: bool = True


@frozen
class TurnEnded:
    """The agent is done: no tool call is open any more."""


@frozen
class Notice:
    """Something that is no progress: a warning, a retry. It does not feed the no-output clock.

    `fault` when the CLI says that it waits for its provider.
    """

    text: str
    fault: ProviderFault | None = field(default=None, eq=False)


@frozen
class Failed:
    """The run has failed, and why; `fault` when the provider of the model did not do its part."""

    reason: str
    fault: ProviderFault | None = None


@frozen
class LimitReached:
    """The provider refuses more work until `resets_at`, in seconds since the epoch (None: not said)."""

    resets_at: float | None = None


@frozen
class Progress:
    """A known sign of life that says nothing else."""

    kind: str


@frozen
class Unknown:
    """A line that this version does not know; kept in the log, counted, and otherwise passed over."""

    kind: str


HarnessEvent: TypeAlias = (
    SessionStarted
    | Message
    | ToolOpened
    | ToolClosed
    | UsageReported
    | TurnEnded
    | Notice
    | Failed
    | LimitReached
    | Progress
    | Unknown
)


@frozen
class Usage:
    """Tokens, and US dollars; None when the CLI did not say.

    `of_session`: of the whole session, earlier runs of a resumed one included; else of this run alone.
    """

    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    of_session: bool = True

    @property
    def any(self) -> bool:
        """Whether the model did any work at all."""
        return bool(self.tokens_in or self.tokens_out)

    def since(self, before: Usage) -> Usage:
        """What was used after `before`, an earlier figure of the same session."""
        if not self.of_session:
            return self
        cost = None if self.cost_usd is None else max(0.0, self.cost_usd - (before.cost_usd or 0.0))
        return Usage(_less(self.tokens_in, before.tokens_in), _less(self.tokens_out, before.tokens_out), cost)


def _less(total: int | None, before: int | None) -> int | None:
    return None if total is None else max(0, total - (before or 0))


@define
class Transcript:
    """What the events so far amount to. Bounded: it keeps the last of each, and counts."""

    session: str | None = None
    last_message: str | None = None
    usage: Usage = field(factory=Usage)
    failure: str | None = None
    fault: ProviderFault | None = None
    resets_at: float | None = None
    waits_for: ProviderFault | None = None
    """What it said last that it waits for, if nothing else came since."""
    unknown_lines: int = 0
    _open: set[str] = field(factory=set)
    _said: Activity = field(factory=Activity)

    def take(self, events: tuple[HarnessEvent, ...]) -> Activity:
        """Take in the events of one line; what they mean to the no-output clock."""
        progress = False
        for event in events:
            if self._take(event):
                progress = True
        said, open_calls = self._said, len(self._open)
        if said.progress is not progress or said.open_calls != open_calls:
            # Most lines say what the line before said: making the value takes as long as reading the events.
            said = self._said = Activity(open_calls, progress)
        return said

    def _take(self, event: HarnessEvent) -> bool:
        """Take in one event; whether it is progress."""
        match event:
            case SessionStarted(session):
                self.session = session
            case Message(text):
                self.last_message = text
            case ToolOpened(call):
                self._open_call(call)
            case ToolClosed(call):
                self._open.discard(call)
            case UsageReported():
                self.usage = Usage(event.tokens_in, event.tokens_out, event.cost_usd, event.of_session)
            case TurnEnded():
                self._open.clear()
            case Failed(reason, fault):
                self.failure, self.fault = reason, fault
                self._open.clear()
            case LimitReached(resets_at):
                self.resets_at = resets_at
                return False
            case Unknown():
                self.unknown_lines += 1
            case Progress():
                pass
            case Notice():
                self.waits_for = event.fault or self.waits_for
                return False
            case _:
                assert_never(event)
        self.waits_for = None
        return True

    def _open_call(self, call: str) -> None:
        # More than this at once is no agent but a broken or hostile stream; the clock is paused anyway.
        if len(self._open) < _MOST_OPEN_CALLS:
            self._open.add(call)


_MOST_OPEN_CALLS = 1000
