"""typoi: `typoi --json-stream`, JSON lines of the types `tool`, `message` and `status`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from scriptorium.harness.events import (
    Failed,
    HarnessEvent,
    Message,
    Notice,
    Progress,
    ToolClosed,
    ToolOpened,
    Unknown,
)
from scriptorium.harness.faults import provider_fault
from scriptorium.harness.interface import AgentRequest, Command
from scriptorium.harness.jsonl import JsonObject, parse_object, text_of

_TEXTS: Final = ("text", "content", "message")
_OPEN: Final = frozenset({"started", "running", "in_progress"})
_FAILED: Final = frozenset({"error", "failed"})


@frozen
class TypoiHarness:
    """Runs `typoi` non-interactively. It finds the token of its tools in its environment."""

    name: str = "typoi"
    stderr_is_activity: bool = False

    def command(self, request: AgentRequest, env: Mapping[str, str]) -> Command:
        """See `Harness`."""
        argv = (
            *(request.command or ("typoi",)),
            *request.args,
            "--json-stream",
            "--yolo",
            "--output-last-message",
            str(request.last_message),
            *(() if request.mcp_url is None else ("--mcp-server-url", request.mcp_url)),
            *_model(request.model),
            *(() if request.reasoning_effort is None else ("--reasoning-effort", request.reasoning_effort)),
        )
        return Command(argv, stdin=request.prompt.encode("utf-8", "replace"))

    def parse(self, line: bytes) -> tuple[HarnessEvent, ...]:
        """See `Harness`."""
        value = parse_object(line)
        if value is None:
            return (Unknown("not a JSON object"),) if line.strip() else ()
        kind = text_of(value, "type")
        match kind:
            case "message":
                return (Message(_text(value)),)
            case "tool":
                return (_tool(value),)
            case "status":
                return (_status(value),)
            case _:
                return (Unknown(kind),)


def _model(model: str | None) -> tuple[str, ...]:
    if model is None:
        return ()
    provider = ("--provider", "anthropic") if model.startswith("claude-") else ()
    return ("--model", model, *provider)


def _tool(value: JsonObject) -> HarnessEvent:
    call, name, status = text_of(value, "id"), text_of(value, "name"), text_of(value, "status")
    # Without an id its end could not be told from another's, and the clock would stand still for good.
    if not call:
        return Progress("tool")
    if status in _OPEN:
        return ToolOpened(call, name, _text(value))
    return ToolClosed(call, name, failed=status in _FAILED)


def _status(value: JsonObject) -> HarnessEvent:
    if text_of(value, "status") in _FAILED:
        reason = _text(value) or "it failed without a reason"
        return Failed(reason, provider_fault(reason))
    return Notice(_text(value) or text_of(value, "status"))


def _text(value: JsonObject) -> str:
    return next((text for key in _TEXTS if (text := text_of(value, key))), "")
