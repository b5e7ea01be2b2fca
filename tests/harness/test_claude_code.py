"""The Claude Code harness: its argv, and its lines as version 2.1 prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from scriptorium.harness.claude_code import ClaudeCodeHarness
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
    Transcript,
    TurnEnded,
    Unknown,
    Usage,
    UsageReported,
)
from scriptorium.harness.faults import ProviderFault
from scriptorium.harness.interface import AgentRequest

HARNESS = ClaudeCodeHarness()
SESSION = "2a89db83-c6d3-4a51-949f-22d7b4a07bf1"
REQUEST = AgentRequest(role="coding", prompt="Do it. é", cwd=Path("/w"), last_message=Path("/l"))
USAGE = {
    "input_tokens": 200,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 10,
    "output_tokens": 20,
}
MODELS = {
    "a": {"inputTokens": 300, "outputTokens": 30, "cacheReadInputTokens": 7, "cacheCreationInputTokens": 3},
    "b": {"inputTokens": 100, "outputTokens": 10, "cacheReadInputTokens": 0, "cacheCreationInputTokens": 0},
}


def argv(**changes: Any) -> list[str]:
    return list(HARNESS.command(attrs.evolve(REQUEST, **changes), {}).argv)


def parse(**value: object) -> tuple[HarnessEvent, ...]:
    return HARNESS.parse(json.dumps(value).encode())


def said(role: str, *blocks: object, **more: object) -> tuple[HarnessEvent, ...]:
    return parse(type=role, message={"role": role, "content": list(blocks)}, session_id=SESSION, **more)


@pytest.mark.req("CA-11")
def test_the_whole_command() -> None:
    server = {
        "type": "http",
        "url": "http://127.0.0.1:8097/mcp",
        "headers": {"Authorization": "Bearer ${SCRIPTORIUM_MCP_TOKEN}"},
        "alwaysLoad": True,
    }
    assert argv(
        command=("nice", "claude"),
        args=("--add-dir", "/x"),
        model="claude-haiku-4-5",
        reasoning_effort="high",
        mcp_url="http://127.0.0.1:8097/mcp",
        resume=SESSION,
    ) == [
        "nice",
        "claude",
        "--add-dir",
        "/x",
        "--print",
        "--output-format",
        "stream-json",
        "--verbose",
        "--dangerously-skip-permissions",
        "--mcp-config",
        json.dumps({"mcpServers": {"scriptorium": server}}),
        "--strict-mcp-config",
        "--settings",
        '{"disableAllHooks": true}',
        "--model",
        "claude-haiku-4-5",
        "--effort",
        "high",
        "--resume",
        SESSION,
    ]


def test_what_is_not_asked_for_is_left_out() -> None:
    words = argv()
    assert words[0] == "claude"
    assert not {"--mcp-config", "--model", "--effort", "--resume"} & set(words)
    assert not {"--strict-mcp-config", "--settings"} & set(argv(operator_tools=True))
    command = HARNESS.command(REQUEST, {})
    assert command.stdin.decode() == "Do it. é"
    assert command.unset == ("CLAUDECODE",)


@pytest.mark.parametrize(
    ("line", "events"),
    [
        ({"type": "system", "subtype": "init", "session_id": SESSION}, [SessionStarted(SESSION)]),
        ({"type": "system", "subtype": "init", "session_id": "--evil"}, [Unknown("system init")]),
        ({"type": "system", "subtype": "api_retry", "error": "overloaded"}, [Notice("api_retry overloaded")]),
        ({"type": "system", "subtype": "thinking_tokens"}, [Progress("thinking_tokens")]),
        ({"type": "stream_event"}, [Progress("stream_event")]),
        ({"type": "keep_alive"}, [Notice("keep_alive")]),
        ({"type": "news"}, [Unknown("news")]),
        (
            {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1795472252}},
            [LimitReached(1795472252.0)],
        ),
        (
            {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed"}},
            [Notice("rate_limit_event")],
        ),
        ({"type": "user", "message": {"role": "user", "content": "hello"}}, [Progress("text")]),
        ({"type": "assistant"}, [Message("")]),
    ],
)
def test_a_line_is_read(line: dict[str, object], events: list[HarnessEvent]) -> None:
    assert list(parse(**line)) == events


@pytest.mark.req("CA-06")
def test_all_blocks_of_a_message_are_read() -> None:
    thinking = {"type": "thinking", "thinking": "hm"}
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    assert said("assistant", thinking, {"type": "text", "text": "I run it."}, call) == (
        Progress("thinking"),
        Message("I run it."),
        ToolOpened("toolu_1", "Bash"),
    )
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no", "is_error": True}
    assert said("user", result) == (ToolClosed("toolu_1", "", failed=True),)
    assert said("assistant", {"type": "hologram"}, "not a block") == (Unknown("assistant hologram"),)


def test_what_a_sub_agent_says_is_not_the_answer() -> None:
    text = {"type": "text", "text": "found it"}
    assert said("assistant", text, parent_tool_use_id="toolu_1") == (Progress("text"),)
    assert said("assistant", text, parent_tool_use_id=None) == (Message("found it"),)


@pytest.mark.req("CA-10")
def test_a_result_has_tokens_of_all_models_and_the_cost() -> None:
    events = parse(
        type="result", subtype="success", is_error=False, result="Done.", usage=USAGE, modelUsage=MODELS,
        total_cost_usd=0.0125,
    )  # fmt: skip
    assert events == (UsageReported(410, 40, 0.0125), Message("Done."), TurnEnded())
    transcript = Transcript()
    transcript.take(events)
    assert transcript.usage == Usage(410, 40, 0.0125)
    assert transcript.usage.since(Usage(400, 40, 0.0125)) == Usage(10, 0, 0.0)
    older = parse(type="result", subtype="success", result="", usage=USAGE)
    assert older == (UsageReported(215, 20, None, of_session=False), TurnEnded())
    assert Usage(215, 20, of_session=False).since(Usage(200, 20)) == Usage(215, 20, of_session=False)


@pytest.mark.req("CA-07")
def test_a_failed_result_says_whose_fault_it_was() -> None:
    def failed(**more: object) -> Failed:
        transcript = parse(type="result", is_error=True, **more)
        (failure,) = (event for event in transcript if isinstance(event, Failed))
        return failure

    limit = failed(subtype="success", api_error_status=429, result="API Error: Request rejected (429)")
    assert limit.fault is ProviderFault.RATE_LIMIT
    assert failed(subtype="error_max_turns") == Failed("error_max_turns")
    assert failed() == Failed("it failed without a reason")
