"""OpenAI's Responses API for the model server, as Codex 0.163 uses it: streamed, all history sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, assert_never

from attrs import frozen

from .model_server import TOKENS_IN, TOKENS_OUT, CallTool, Conversation, Refuse, Say, Shell, Step

SHELL_MILLISECONDS: Final = 30_000
"""How long Codex waits for a command before it goes on without its end; more than this it does not."""


@frozen
class ResponsesApi:
    """See `Api`. The whole history is in `input`."""

    path: str = "/v1/responses"

    def aside(self, body: dict[str, Any]) -> Step | None:
        """See `Api`."""
        return None

    def read(self, body: dict[str, Any]) -> Conversation:
        """See `Api`."""
        prompts: list[str] = []
        outputs: list[str] = []
        for item in body["input"]:
            if item.get("type") == "message" and item.get("role") == "user":
                text = _plain(item["content"])
                # Codex tells of the surroundings in messages of the user's, too.
                if not text.startswith(("<", "# AGENTS.md instructions")):
                    prompts.append(text)
                    outputs = []
            elif item.get("type") == "function_call_output":
                outputs.append(_plain(item["output"]))
        return Conversation(tuple(prompts), tuple(outputs))

    def write(self, step: Step, number: int) -> Iterator[dict[str, Any]]:
        """See `Api`."""
        response = {"id": f"resp_{number}"}
        usage = {
            "input_tokens": TOKENS_IN,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": TOKENS_OUT,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": TOKENS_IN + TOKENS_OUT,
        }
        yield {"type": "response.created", "response": response}
        yield {"type": "response.output_item.done", "output_index": 0, "item": self._item(step, number)}
        yield {"type": "response.completed", "response": response | {"usage": usage}}

    def limit(self, message: str, number: int) -> Refuse | Iterator[dict[str, Any]]:
        """See `Api`. Codex tells of a 429 no more than its status, but of this the whole message."""
        error = {"code": "rate_limit_exceeded", "message": message}
        return iter([{"type": "response.failed", "response": {"id": f"resp_{number}", "error": error}}])

    def _item(self, step: Step, number: int) -> dict[str, Any]:
        call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
        match step:
            case Shell(command):
                arguments = json.dumps({"cmd": command, "yield_time_ms": SHELL_MILLISECONDS})
                return call | {"name": "exec_command", "arguments": arguments}
            case CallTool(tool, given, server):
                space = {"namespace": f"mcp__{server}", "name": tool}
                return call | space | {"arguments": json.dumps(dict(given))}
            case Say(text):
                content = [{"type": "output_text", "text": text}]
                return {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content}
            case _:
                assert_never(step)


def _plain(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
