"""A stand-in for every agent CLI that is a real process: `python stub_cli.py HARNESS SCENE ARGUMENTS...`

It reads its prompt from stdin and prints the lines of the CLI that it plays. When it submits, it finds the
address and the token where that CLI is told them, and nowhere else.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

Line = dict[str, Any]
SESSION = "2a89db83-c6d3-4a51-949f-22d7b4a07bf1"
LIMIT = "HTTP 429 Too Many Requests: try again in 20s"
ODD_LINES = (b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 5000, b'{"type": 7}', b'{"type": "new.thing"}')


def after(words: list[str], option: str) -> str | None:
    return words[words.index(option) + 1] if option in words else None


class Codex:
    """`codex exec --json`."""

    def begin(self, session: str) -> Iterable[Line]:
        return {"type": "thread.started", "thread_id": session}, {"type": "turn.started"}

    def fail(self, reason: str) -> Iterable[Line]:
        return ({"type": "turn.failed", "error": {"message": reason}},)

    def end(self, answer: str) -> Iterable[Line]:
        usage = {"input_tokens": 200, "output_tokens": 40}
        item = {"id": "item_1", "type": "agent_message", "text": answer}
        return {"type": "item.completed", "item": item}, {"type": "turn.completed", "usage": usage}

    def resumed(self, words: list[str]) -> str | None:
        return after(words, "resume")

    def access(self, words: list[str]) -> tuple[str, str]:
        settings = dict(word.split("=", 1) for word in words if word.startswith("mcp_servers.scriptorium."))
        url, name = (
            json.loads(settings[f"mcp_servers.scriptorium.{key}"]) for key in ("url", "bearer_token_env_var")
        )
        return url, os.environ[name]


class ClaudeCode:
    """`claude --print --output-format stream-json`."""

    def begin(self, session: str) -> Iterable[Line]:
        return ({"type": "system", "subtype": "init", "session_id": session},)

    def fail(self, reason: str) -> Iterable[Line]:
        return ({"type": "result", "subtype": "success", "is_error": True, "result": reason},)

    def end(self, answer: str) -> Iterable[Line]:
        models = {"a": {"inputTokens": 200, "outputTokens": 40}}
        return ({"type": "result", "subtype": "success", "result": answer, "modelUsage": models},)

    def resumed(self, words: list[str]) -> str | None:
        return after(words, "--resume")

    def access(self, words: list[str]) -> tuple[str, str]:
        server = json.loads(after(words, "--mcp-config") or "")["mcpServers"]["scriptorium"]
        header = Template(server["headers"]["Authorization"]).substitute(os.environ)
        return server["url"], header.removeprefix("Bearer ")


class Typoi:
    """`typoi --json-stream`."""

    def begin(self, _session: str) -> Iterable[Line]:
        return ({"type": "status", "status": "running"},)

    def fail(self, reason: str) -> Iterable[Line]:
        return ({"type": "status", "status": "error", "message": reason},)

    def end(self, answer: str) -> Iterable[Line]:
        return ({"type": "message", "text": answer},)

    def resumed(self, _words: list[str]) -> str | None:
        return None

    def access(self, words: list[str]) -> tuple[str, str]:
        return after(words, "--mcp-server-url") or "", os.environ["SCRIPTORIUM_MCP_TOKEN"]


def say(lines: Iterable[Line]) -> None:
    for line in lines:
        sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def play(cli: Codex | ClaudeCode | Typoi, scene: str, words: list[str]) -> int:
    """One run of a CLI that reports itself in JSON; the exit code."""
    answer = f"You said: {sys.stdin.read()}"
    say(cli.begin(cli.resumed(words) or SESSION))
    if scene in {"fails", "limited"}:
        say(cli.fail(LIMIT if scene == "limited" else "it broke"))
        return 1
    if scene == "malformed":
        sys.stdout.buffer.write(b"\n".join(ODD_LINES) + b"\n")
        sys.stdout.flush()
    if scene == "stalls":
        signal.pause()
    if scene == "submits":
        from scriptorium.server.client import submit_pr

        assert submit_pr(*cli.access(words), answer).accepted
    path = after(words, "--output-last-message")
    if path is not None:
        Path(path).write_text(answer)
    say(cli.end(answer))
    return 0


def play_command(scene: str) -> int:
    """One run of any other program, which prints what it likes; it submits as the contract says."""
    answer = f"You said: {sys.stdin.read()}"
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    if scene in {"fails", "limited"}:
        return 1
    if scene == "malformed":
        sys.stdout.buffer.write(b"\n".join(ODD_LINES) + b"\n")
        sys.stdout.flush()
    if scene == "stalls":
        signal.pause()
    if scene == "submits":
        program = Path(sys.executable).with_name("scriptorium")
        subprocess.run([program, "submit", answer], check=True, stdout=subprocess.DEVNULL)
    sys.stdout.write(f"{answer}\n")
    return 0


CLIS: dict[str, Codex | ClaudeCode | Typoi] = {
    "codex": Codex(),
    "claude-code": ClaudeCode(),
    "typoi": Typoi(),
}

if __name__ == "__main__":
    name, played = sys.argv[1:3]
    sys.exit(play_command(played) if name == "command" else play(CLIS[name], played, sys.argv[3:]))
