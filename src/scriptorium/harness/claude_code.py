"""Claude Code: `claude --print --output-format stream-json`, one JSON object a line, as 2.1 prints it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from attrs import frozen

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
from scriptorium.harness.faults import ProviderFault, provider_fault
from scriptorium.harness.interface import AgentRequest, Command
from scriptorium.harness.jsonl import JsonObject, count_of, number_of, object_of, parse_object, text_of
from scriptorium.harness.version import Supported

_SESSION: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_SIGN_OF_LIFE: Final = frozenset({"api_error", "status", "notification", "informational"})
"""Said also while the network is down: these feed no clock."""
_WITHOUT_LENT_TOOLS: Final = ("--strict-mcp-config", "--settings", json.dumps({"disableAllHooks": True}))
_SIGNS_OF_LIFE: Final = frozenset({"stream_event", "tool_progress", "tool_use_summary"})
_SUPPORTED: Final = Supported(
    program="claude",
    pattern=re.compile(r"^(\d{1,6})\.(\d{1,6})\.(\d{1,6}) \(Claude Code\)", re.MULTILINE),
    oldest=(2, 1, 0),
    because="what it prints and how it is told of its tools are those of 2.1",
    update="claude update, or npm install -g @anthropic-ai/claude-code@latest",
)
_NOTICES: Final = frozenset({"auth_status", "keep_alive", "prompt_suggestion", "files_persisted"})


@frozen
class ClaudeCodeHarness:
    """Runs `claude` non-interactively. Its permission checks are off: the agent has its own worktree.

    The operator's settings hold (model, credentials, CLAUDE.md); their MCP servers and hooks do not, as an
    agent that works alone must not act with tools that were meant for a person at the keyboard.
    """

    name: str = "claude-code"
    stderr_is_activity: bool = False
    supported: Supported = _SUPPORTED

    def version_argv(self, request: AgentRequest, env: Mapping[str, str]) -> tuple[str, ...]:
        """See `Versioned`."""
        return (*(request.command or ("claude",)), "--version")

    def command(self, request: AgentRequest, env: Mapping[str, str]) -> Command:
        """See `Harness`. `CLAUDECODE` is unset, as Claude Code refuses to run inside itself."""
        argv = (
            *(request.command or ("claude",)),
            *request.args,
            "--print",
            "--output-format",
            "stream-json",
            "--verbose",
            "--dangerously-skip-permissions",
            *_mcp(request),
            *(() if request.operator_tools else _WITHOUT_LENT_TOOLS),
            *(() if request.model is None else ("--model", request.model)),
            *(() if request.reasoning_effort is None else ("--effort", request.reasoning_effort)),
            *(() if request.resume is None else ("--resume", request.resume)),
        )
        return Command(argv, stdin=request.prompt.encode("utf-8", "replace"), unset=("CLAUDECODE",))

    def parse(self, line: bytes) -> tuple[HarnessEvent, ...]:
        """See `Harness`."""
        value = parse_object(line)
        if value is None:
            return (Unknown("not a JSON object"),) if line.strip() else ()
        kind = text_of(value, "type")
        if kind in _SIGNS_OF_LIFE:
            return (Progress(kind),)
        if kind in _NOTICES:
            return (Notice(kind),)
        read = _READERS.get(kind)
        return (Unknown(kind),) if read is None else tuple(read(value))


def _mcp(request: AgentRequest) -> tuple[str, ...]:
    if request.mcp_url is None:
        return ()
    # Claude Code puts the variable in; an argv can be read by every user of the machine.
    server = {
        "type": "http",
        "url": request.mcp_url,
        "headers": {"Authorization": f"Bearer ${{{request.token_env}}}"},
        # Else the tool is hidden behind a search for tools, and an agent may never find how to submit.
        "alwaysLoad": True,
    }
    return ("--mcp-config", json.dumps({"mcpServers": {"scriptorium": server}}))


def _system(value: JsonObject) -> Iterator[HarnessEvent]:
    subtype = text_of(value, "subtype")
    if subtype == "init":
        session = text_of(value, "session_id")
        # It comes from the agent's side and will be an argument: nothing that could be read as an option.
        yield SessionStarted(session) if _SESSION.fullmatch(session) else Unknown("system init")
    elif subtype == "api_retry":
        error, status = text_of(value, "error"), count_of(value, "error_status") or None
        yield Notice(f"{subtype} {error}".rstrip(), provider_fault(error, status) or ProviderFault.NETWORK)
    elif subtype in _NO_SIGN_OF_LIFE:
        yield Notice(subtype)
    else:
        yield Progress(subtype)


def _assistant(value: JsonObject) -> Iterator[HarnessEvent]:
    # What a sub-agent says is not the answer.
    own = not text_of(value, "parent_tool_use_id")
    for block in _blocks(value):
        kind = text_of(block, "type")
        if kind == "text":
            yield Message(text_of(block, "text")) if own else Progress(kind)
        elif kind in {"tool_use", "server_tool_use", "mcp_tool_use"}:
            yield ToolOpened(text_of(block, "id"), text_of(block, "name"), _detail(object_of(block, "input")))
        elif kind.endswith("tool_result"):
            yield _result_of_tool(block)
        elif kind in {"thinking", "redacted_thinking"}:
            yield Progress(kind)
        else:
            yield Unknown(f"assistant {kind}")


def _detail(given: JsonObject) -> str:
    """What a tool is to do: the command, the file, or all that it was given."""
    plain = next((text for key in ("command", "file_path") if (text := text_of(given, key))), "")
    return plain or (json.dumps(given) if given else "")


def _user(value: JsonObject) -> Iterator[HarnessEvent]:
    for block in _blocks(value):
        kind = text_of(block, "type")
        if kind.endswith("tool_result"):
            yield _result_of_tool(block)
        elif kind in {"text", "image", "document"}:
            yield Progress(kind)
        else:
            yield Unknown(f"user {kind}")


def _result_of_tool(block: JsonObject) -> ToolClosed:
    return ToolClosed(text_of(block, "tool_use_id"), "", failed=block.get("is_error") is True)


def _result(value: JsonObject) -> Iterator[HarnessEvent]:
    yield _usage(value)
    text = text_of(value, "result")
    if value.get("is_error") is True or text_of(value, "subtype") != "success":
        reason = text or text_of(value, "subtype") or "it failed without a reason"
        status = count_of(value, "api_error_status") or None
        yield Failed(reason, provider_fault(reason, status))
        return
    if text:
        yield Message(text)
    yield TurnEnded()


def _usage(value: JsonObject) -> UsageReported:
    """Of the session, helper models included; of this run, without those, where there is but the older field.

    A resumed session goes on counting tokens by model, and its cost.
    """
    cost = number_of(value, "total_cost_usd")
    models = [model for model in object_of(value, "modelUsage").values() if isinstance(model, dict)]
    if models:
        tokens_in = sum(
            count_of(model, name)
            for model in models
            for name in ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
        )
        tokens_out = sum(count_of(model, "outputTokens") for model in models)
        return UsageReported(tokens_in, tokens_out, cost)
    usage = object_of(value, "usage")
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    tokens_in = sum(count_of(usage, name) for name in names)
    return UsageReported(tokens_in, count_of(usage, "output_tokens"), cost, of_session=False)


def _rate_limit(value: JsonObject) -> Iterator[HarnessEvent]:
    info = object_of(value, "rate_limit_info")
    if text_of(info, "status") == "rejected":
        yield LimitReached(number_of(info, "resetsAt"))
    else:
        yield Notice("rate_limit_event")


def _blocks(value: JsonObject) -> Iterator[JsonObject]:
    content = object_of(value, "message").get("content")
    if isinstance(content, list):
        yield from (block for block in content if isinstance(block, dict))
    else:
        yield {"type": "text", "text": content}


_READERS: Final[Mapping[str, Callable[[JsonObject], Iterator[HarnessEvent]]]] = {
    "system": _system,
    "assistant": _assistant,
    "user": _user,
    "result": _result,
    "rate_limit_event": _rate_limit,
}
