"""A log as a person reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.harness.reading import DETAIL_CHARS, LogReader, harness_of

CODEX = [
    {"type": "thread.started", "thread_id": "0199-abc"},
    {"type": "turn.started"},
    {
        "type": "item.started",
        "item": {"id": "1", "type": "command_execution", "command": "make test", "status": "in_progress"},
    },
    {
        "type": "item.completed",
        "item": {"id": "1", "type": "command_execution", "command": "make test", "status": "failed"},
    },
    {
        "type": "item.completed",
        "item": {"id": "2", "type": "file_change", "changes": [{"path": "/w/a.py", "kind": "update"}]},
    },
    {
        "type": "item.started",
        "item": {"id": "3", "type": "mcp_tool_call", "server": "s", "tool": "t", "arguments": {"a": 1}},
    },
    {"type": "item.completed", "item": {"id": "4", "type": "agent_message", "text": "Done.\nAll of it."}},
    {"type": "error", "message": "Reconnecting...\n1/5"},
    {"type": "turn.completed", "usage": {"input_tokens": 5, "output_tokens": 2}},
    {"type": "turn.failed", "error": {"message": "exceeded retry limit, last status: 429"}},
]
CODEX_READ = [
    "session 0199-abc",
    "$ make test",
    "  failed",
    "[file_change] update /w/a.py",
    '[mcp_tool_call] s.t {"a": 1}',
    "Done.",
    "All of it.",
    "- Reconnecting... 1/5",
    "tokens: 5 in, 2 out",
    "failed: exceeded retry limit, last status: 429",
]
SESSION = "2a89db83-c6d3-4a51-949f-22d7b4a07bf1"
CLAUDE = [
    {"type": "system", "subtype": "init", "session_id": SESSION},
    {
        "type": "assistant",
        "message": {
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": "ls"}},
                {
                    "type": "tool_use",
                    "id": "2",
                    "name": "Edit",
                    "input": {"file_path": "/w/a.py", "new": "x"},
                },
                {
                    "type": "tool_use",
                    "id": "3",
                    "name": "mcp__scriptorium__submit_pr",
                    "input": {"summary": "S"},
                },
            ]
        },
    },
    {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "2", "is_error": True}]}},
    {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1773491400}},
    {"type": "result", "subtype": "success", "result": "", "usage": {}, "total_cost_usd": 0.01},
]
CLAUDE_READ = [
    f"session {SESSION}",
    "I look.",
    "$ ls",
    "[Edit] /w/a.py",
    '[mcp__scriptorium__submit_pr] {"summary": "S"}',
    "  failed",
    "limit reached until 2026-03-14 12:30 UTC",
    "tokens: 0 in, 0 out, 0.0100 USD",
]


def read(*lines: bytes) -> list[str]:
    reader = LogReader()
    return [shown for line in lines for shown in reader.read(line)]


@pytest.mark.req("CA-04")
@pytest.mark.parametrize(("lines", "shown"), [(CODEX, CODEX_READ), (CLAUDE, CLAUDE_READ)])
def test_messages_commands_files_and_tool_calls_are_shown(lines: list[object], shown: list[str]) -> None:
    assert read(*(json.dumps(line).encode() for line in lines)) == shown


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'{"type": "thread.started"}', "codex"),
        (b'{"type": "system"}', "claude-code"),
        (b'{"type": "tool"}', "typoi"),
        (b'{"type": ""}', "command"),
        (b"hello", "command"),
        (b"\xff", "command"),
    ],
)
def test_a_log_says_itself_whose_it_is(line: bytes, name: str) -> None:
    assert harness_of(line).name == name


def test_a_long_command_is_cut() -> None:
    item = {"id": "1", "type": "command_execution", "command": "x " * 1000}
    (line,) = read(json.dumps({"type": "item.started", "item": item}).encode())
    assert len(line) == len("$ ") + DETAIL_CHARS


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_log_can_be_read(lines: list[bytes]) -> None:
    read(*lines)
