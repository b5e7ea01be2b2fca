"""A log, read again: by a person (messages, commands, files, tools), or for the session to resume."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, assert_never

from attrs import define, field

from scriptorium.harness.events import (
    Failed,
    HarnessEvent,
    LimitReached,
    Message,
    Notice,
    Progress,
    SessionStarted,
    ToolClosed,
    ToolOpened,
    TurnEnded,
    Unknown,
    UsageReported,
)
from scriptorium.harness.interface import Harness
from scriptorium.harness.jsonl import parse_object, text_of
from scriptorium.harness.registry import HARNESSES

DETAIL_CHARS: Final = 300
_HEAD_BYTES: Final = 256 * 1024
"""A session is named in the first lines of a log."""
_SHELLS: Final = frozenset({"command_execution", "Bash", "shell"})
_BY_FIRST_LINE: Final = {
    "codex": ("thread.", "turn.", "item."),
    "claude-code": ("system", "assistant", "user", "result", "rate_limit_event"),
    "typoi": ("tool", "message", "status"),
}


def harness_of(line: bytes) -> Harness:
    """Whose log it is, by a first line: a log outlives the settings that it was made with."""
    value = parse_object(line)
    kind = "" if value is None else text_of(value, "type")
    found = (name for name, starts in _BY_FIRST_LINE.items() if kind and kind.startswith(starts))
    return HARNESSES[next(found, "command")]


def session_of(log: Path, harness: str) -> str | None:
    """The session that a run of `harness` worked in, as its log says; None when it does not say.

    The log lies where agents can write: it is data, and a session's name is checked by the harness.
    """
    reader = HARNESSES.get(harness)
    if reader is None:
        return None
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - it is a descriptor
            *lines, _cut_short = file.read(_HEAD_BYTES).split(b"\n")
    except OSError:
        return None
    for line in lines:
        with suppress(Exception):  # as in a run: a line that nobody understands ends nothing
            for event in reader.parse(line):
                if isinstance(event, SessionStarted):
                    return event.session
    return None


@define
class LogReader:
    """Reads the lines of one log in their order. It remembers which tool calls it has told of."""

    _harness: Harness | None = None
    _told: set[str] = field(factory=set)

    def read(self, line: bytes) -> Iterator[str]:
        """What a line says, in lines for a person: not yet fit for a terminal."""
        if self._harness is None:
            self._harness = harness_of(line)
        try:
            events = self._harness.parse(line)
        except Exception:  # as in a run: a line that nobody understands ends nothing
            return
        for event in events:
            yield from self._show(event)

    def _show(self, event: HarnessEvent) -> Iterator[str]:
        match event:
            case SessionStarted(session):
                yield f"session {session}"
            case Message(text):
                yield from text.splitlines()
            case ToolOpened():
                yield from self._call(event.call, event.name, event.detail)
            case ToolClosed():
                if event.call not in self._told:
                    yield from self._call(event.call, event.name, event.detail)
                if event.failed:
                    yield "  failed"
            case UsageReported():
                cost = "" if event.cost_usd is None else f", {event.cost_usd:.4f} USD"
                yield f"tokens: {event.tokens_in} in, {event.tokens_out} out{cost}"
            case Notice(text):
                yield f"- {_cut(text)}"
            case Failed(reason):
                yield f"failed: {_cut(reason)}"
            case LimitReached(resets_at):
                yield f"limit reached{'' if resets_at is None else f' until {_time(resets_at)}'}"
            case TurnEnded() | Progress() | Unknown():
                pass
            case _:
                assert_never(event)

    def _call(self, call: str, name: str, detail: str) -> Iterator[str]:
        if call in self._told or not (name or detail):
            return
        self._told.add(call)
        yield f"$ {_cut(detail)}" if name in _SHELLS else f"[{name}] {_cut(detail)}".rstrip()


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= DETAIL_CHARS else f"{line[: DETAIL_CHARS - 1]}…"


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "an impossible time"
