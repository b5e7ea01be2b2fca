"""Anthropic's Messages API for the model server, as Claude Code 2.1 uses it: streamed, all history sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, assert_never

from attrs import frozen

from .model_server import TOKENS_IN, TOKENS_OUT, CallTool, Conversation, Refuse, Say, Shell, Step

TITLE = Say('{"title": "A title"}')


@frozen
class MessagesApi:
    """See `Api`."""

    path: str = "/v1/messages"

    def aside(self, body: dict[str, Any]) -> Step | None:
        """Claude Code has a small model name the session: without tools."""
        return None if body.get("tools") else TITLE

    def read(self, body: dict[str, Any]) -> Conversation:
        """See `Api`."""
        prompts: list[str] = []
        outputs: list[str] = []
        for message in body["messages"]:
            if message["role"] != "user":
                continue
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            for block in blocks:
                if block["type"] == "tool_result":
                    outputs.append(_text(block))
                # Claude Code tells of the surroundings in texts of the user's, too.
                elif block["type"] == "text" and not block["text"].startswith("<system-reminder>"):
                    prompts.append(block["text"])
                    outputs = []
        return Conversation(tuple(prompts), tuple(outputs))

    def write(self, step: Step, number: int) -> Iterator[dict[str, Any]]:
        """See `Api`."""
        usage = {"input_tokens": TOKENS_IN, "output_tokens": 1}
        message: dict[str, Any] = {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": "scripted", "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": usage,
        }  # fmt: skip
        start, delta, reason = _block(step, number)
        yield {"type": "message_start", "message": message}
        yield {"type": "content_block_start", "index": 0, "content_block": start}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        end = {"stop_reason": reason, "stop_sequence": None}
        yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": TOKENS_OUT}}
        yield {"type": "message_stop"}

    def limit(self, message: str, number: int) -> Refuse | Iterator[dict[str, Any]]:
        """See `Api`."""
        return Refuse(429, message)


def _block(step: Step, number: int) -> tuple[dict[str, Any], dict[str, Any], str]:
    name: str
    given: dict[str, object]
    match step:
        case Say(text):
            return {"type": "text", "text": ""}, {"type": "text_delta", "text": text}, "end_turn"
        case Shell(command):
            name, given = "Bash", {"command": command, "description": "work"}
        case CallTool(tool, arguments, server):
            name, given = f"mcp__{server}__{tool}", dict(arguments)
        case _:
            assert_never(step)
    start = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}
    return start, {"type": "input_json_delta", "partial_json": json.dumps(given)}, "tool_use"


def _text(block: dict[str, Any]) -> str:
    content = block.get("content", "")
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
