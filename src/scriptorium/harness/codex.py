"""The Codex CLI: `codex exec --json`, one JSON object a line, as version 0.163 prints it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

from attrs import frozen

from scriptorium.harness.codex_home import Setting, switched_off
from scriptorium.harness.events import (
    Failed,
    HarnessEvent,
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
from scriptorium.harness.faults import provider_fault
from scriptorium.harness.interface import AgentRequest, Command
from scriptorium.harness.jsonl import JsonObject, count_of, object_of, parse_object, text_of
from scriptorium.harness.version import Supported

_TOOLS: Final = frozenset(
    {"command_execution", "file_change", "mcp_tool_call", "web_search", "collab_tool_call"}
)
_THREAD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SIGNS_OF_LIFE: Final = frozenset({"reasoning", "todo_list"})
OLDEST_SUPPORTED: Final = (0, 99, 0)
"""The first with `mcp_servers.NAME.required` (pull request 10902 of openai/codex, February 2026).

An older one goes on without its tools when it cannot reach us, and works for hours on what it cannot submit.
All else that is asked of it (`exec resume`, `bearer_token_env_var`, nested items) is older.
"""
_SUPPORTED: Final = Supported(
    program="codex",
    pattern=re.compile(r"^codex-cli (\d{1,6})\.(\d{1,6})\.(\d{1,6})", re.MULTILINE),
    oldest=OLDEST_SUPPORTED,
    because="before it an agent may work without the tool that it submits with",
    update="npm install -g @openai/codex@latest, or pip install -U 'scriptorium[codex]'",
)


@frozen
class CodexHarness:
    """Runs `codex` non-interactively. Its sandbox and approvals are off: the agent has its own worktree."""

    name: str = "codex"
    stderr_is_activity: bool = False
    supported: Supported = _SUPPORTED

    def version_argv(self, request: AgentRequest, env: Mapping[str, str]) -> tuple[str, ...]:
        """See `Versioned`."""
        return (*(request.command or (find_codex(env),)), "--version")

    def command(self, request: AgentRequest, env: Mapping[str, str]) -> Command:
        """See `Harness`. The order of the arguments is the contract's (CA-03)."""
        program = request.command or (find_codex(env),)
        model = () if request.model is None else ("--model", request.model)
        resume = () if request.resume is None else ("resume", request.resume)
        argv = (
            *program,
            *request.args,
            *_settings(request, env),
            "exec",
            "--json",
            "--output-last-message",
            str(request.last_message),
            "--cd",
            str(request.cwd),
            *model,
            "--dangerously-bypass-approvals-and-sandbox",
            *resume,
            "-",
        )
        return Command(argv, stdin=request.prompt.encode("utf-8", "replace"))

    def parse(self, line: bytes) -> tuple[HarnessEvent, ...]:
        """See `Harness`."""
        value = parse_object(line)
        if value is None:
            return (Unknown("not a JSON object"),) if line.strip() else ()
        kind = text_of(value, "type")
        read = _READERS.get(kind)
        return (Unknown(kind),) if read is None else read(value)


def find_codex(env: Mapping[str, str]) -> str:
    """The `codex` that `env`'s PATH finds, else the one that the extra `scriptorium[codex]` brought.

    When there is neither, just the name: starting it then fails and says so.
    """
    if shutil.which("codex", path=env.get("PATH")) is not None:
        return "codex"
    try:
        bundled = import_module("codex_cli_bin").bundled_codex_path()
    except (ImportError, OSError):
        return "codex"
    return str(Path(bundled))


def _settings(request: AgentRequest, env: Mapping[str, str]) -> tuple[str, ...]:
    settings: list[Setting] = [] if request.operator_tools else [*switched_off(env)]
    if request.reasoning_effort is not None:
        settings.append(("model_reasoning_effort", _toml(request.reasoning_effort)))
    if request.mcp_url is not None:
        # The token itself is in the environment: an argv can be read by every user of the machine.
        settings += [
            ("mcp_servers.scriptorium.url", _toml(request.mcp_url)),
            ("mcp_servers.scriptorium.bearer_token_env_var", _toml(request.token_env)),
            ("mcp_servers.scriptorium.required", "true"),
        ]
    return tuple(word for key, value in settings for word in ("-c", f"{key}={value}"))


def _toml(text: str) -> str:
    return json.dumps(text)  # a JSON string without control characters is a TOML basic string


def _thread_started(value: JsonObject) -> tuple[HarnessEvent, ...]:
    thread = text_of(value, "thread_id")
    # It comes from the agent's side and will be an argument: nothing that could be read as an option.
    return (SessionStarted(thread),) if _THREAD.fullmatch(thread) else (Unknown("thread.started"),)


def _turn_started(_value: JsonObject) -> tuple[HarnessEvent, ...]:
    return (Progress("turn.started"),)


def _turn_completed(value: JsonObject) -> tuple[HarnessEvent, ...]:
    usage = object_of(value, "usage")
    return (UsageReported(count_of(usage, "input_tokens"), count_of(usage, "output_tokens")), TurnEnded())


def _turn_failed(value: JsonObject) -> tuple[HarnessEvent, ...]:
    reason = text_of(object_of(value, "error"), "message")
    return (Failed(reason or "the turn failed without a reason", provider_fault(reason)),)


def _error(value: JsonObject) -> tuple[HarnessEvent, ...]:
    # Mostly "Reconnecting…", said again and again for as long as the network is down: no sign of life.
    text = text_of(value, "message")
    return (Notice(text, provider_fault(text)),)


def _item(value: JsonObject) -> tuple[HarnessEvent, ...]:
    item = object_of(value, "item")
    name = text_of(item, "type")
    if name in _TOOLS:
        return (_tool(text_of(value, "type"), name, item),)
    if name == "agent_message":
        return (Message(text_of(item, "text")),)
    if name == "error":
        return (Notice(text_of(item, "message")),)
    return (Progress(name),) if name in _SIGNS_OF_LIFE else (Unknown(f"item {name}"),)


def _tool(kind: str, name: str, item: JsonObject) -> HarnessEvent:
    call, detail = text_of(item, "id"), _detail(name, item)
    if kind == "item.completed":
        return ToolClosed(call, name, failed=text_of(item, "status") == "failed", detail=detail)
    return ToolOpened(call, name, detail)


def _detail(name: str, item: JsonObject) -> str:
    match name:
        case "command_execution":
            return text_of(item, "command")
        case "file_change":
            changes = item.get("changes")
            found = (
                [change for change in changes if isinstance(change, dict)]
                if isinstance(changes, list)
                else []
            )
            return ", ".join(f"{text_of(change, 'kind')} {text_of(change, 'path')}" for change in found)
        case "mcp_tool_call":
            return f"{text_of(item, 'server')}.{text_of(item, 'tool')} {json.dumps(item.get('arguments'))}"
        case _:
            return text_of(item, "query")


_READERS: Final[Mapping[str, Callable[[JsonObject], tuple[HarnessEvent, ...]]]] = {
    "thread.started": _thread_started,
    "turn.started": _turn_started,
    "turn.completed": _turn_completed,
    "turn.failed": _turn_failed,
    "error": _error,
    "item.started": _item,
    "item.updated": _item,
    "item.completed": _item,
}
