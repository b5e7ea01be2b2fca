"""The typoi harness: its argv and its lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

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
from scriptorium.harness.faults import ProviderFault
from scriptorium.harness.interface import AgentRequest
from scriptorium.harness.typoi import TypoiHarness

HARNESS = TypoiHarness()
REQUEST = AgentRequest(role="coding", prompt="Do it.", cwd=Path("/w"), last_message=Path("/l/1.md"))
ALWAYS = ["--json-stream", "--yolo", "--output-last-message", "/l/1.md"]


def argv(**changes: Any) -> list[str]:
    return list(HARNESS.command(attrs.evolve(REQUEST, **changes), {}).argv)


@pytest.mark.req("CA-11")
def test_the_whole_command() -> None:
    assert argv() == ["typoi", *ALWAYS]
    assert argv(model="qwen-3", mcp_url="http://127.0.0.1:1/mcp", reasoning_effort="low") == [
        "typoi", *ALWAYS, "--mcp-server-url", "http://127.0.0.1:1/mcp", "--model", "qwen-3",
        "--reasoning-effort", "low",
    ]  # fmt: skip
    assert argv(model="claude-haiku-4-5")[-4:] == ["--model", "claude-haiku-4-5", "--provider", "anthropic"]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ({"type": "message", "text": "hello"}, Message("hello")),
        ({"type": "message", "content": "hello"}, Message("hello")),
        ({"type": "tool", "id": "1", "name": "shell", "status": "started"}, ToolOpened("1", "shell")),
        ({"type": "tool", "id": "1", "name": "shell", "status": "completed"}, ToolClosed("1", "shell")),
        ({"type": "tool", "id": "1", "status": "failed"}, ToolClosed("1", "", failed=True)),
        ({"type": "tool", "name": "shell", "status": "started"}, Progress("tool")),
        ({"type": "status", "status": "running"}, Notice("running")),
        (
            {"type": "status", "status": "error", "message": "HTTP 429: slow down"},
            Failed("HTTP 429: slow down", ProviderFault.RATE_LIMIT),
        ),
        ({"type": "other"}, Unknown("other")),
    ],
)
def test_a_line_is_read(line: dict[str, object], event: HarnessEvent) -> None:
    assert HARNESS.parse(json.dumps(line).encode()) == (event,)
