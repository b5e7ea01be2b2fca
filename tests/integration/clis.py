"""The real agent CLIs as the tests of the whole service see them: a value each, all that differs in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import frozen

from scriptorium.harness.codex import find_codex

from .claude import CLAUDE
from .messages_api import MessagesApi
from .model_server import Api, Recorded
from .responses_api import ResponsesApi

KEY: Final = "the-key-of-the-scripted-model"
CODEX_KEY_NAME: Final = "SCRIPTED_MODEL_KEY"


@frozen
class Cli:
    """One CLI: how it comes to ask the model server, and how the same things look with it.

    `settle` writes a person's settings into an empty home, so that the model at a URL is asked, and returns
    the environment that says the rest; `passed` are the names of it that the config has to pass on.
    `events` are the types of the first line that it prints and of the last, when all is well and when not.
    """

    name: str
    program: str
    real: str | None
    model: str
    api: Api
    key_name: str
    settle: Callable[[Path, str], Mapping[str, str]]
    passed: tuple[str, ...]
    key_in: Callable[[Mapping[str, str]], str]
    tools_in: Callable[[dict[str, Any]], set[str]]
    session_in: Callable[[Sequence[dict[str, Any]]], str]
    resume_words: Callable[[str], tuple[str, ...]]
    first_event: str
    last_event: str
    failed_event: str

    def offers_submit(self, request: Recorded) -> bool:
        """Whether the model was offered our tool."""
        return request.body is not None and bool(
            {"mcp__scriptorium", "submit_pr"} & self.tools_in(request.body)
        )


def _settle_codex(home: Path, url: str) -> dict[str, str]:
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        f'model_provider = "scripted"\n\n[model_providers.scripted]\nname = "scripted"\n'
        f'base_url = "{url}/v1"\nenv_key = "{CODEX_KEY_NAME}"\nwire_api = "responses"\n'
        "request_max_retries = 0\nstream_max_retries = 0\n"
    )
    return {CODEX_KEY_NAME: KEY}


def _settle_claude(_home: Path, url: str) -> dict[str, str]:
    # As root it wants to be told that it is in a container: its permission checks are off.
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        "IS_SANDBOX": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _thread_in(events: Sequence[dict[str, Any]]) -> str:
    return str(next(event["thread_id"] for event in events if event["type"] == "thread.started"))


def _session_in(events: Sequence[dict[str, Any]]) -> str:
    return str(next(event["session_id"] for event in events if event.get("subtype") == "init"))


CODEX: Final = Cli(
    name="codex",
    program="codex",
    real=find_codex({"PATH": ""}) if find_spec("codex_cli_bin") is not None else None,
    model="gpt-scripted",
    api=ResponsesApi(),
    key_name=CODEX_KEY_NAME,
    settle=_settle_codex,
    passed=(CODEX_KEY_NAME,),
    key_in=lambda headers: headers["authorization"].removeprefix("Bearer "),
    tools_in=lambda body: {tool["name"] for tool in body["tools"] if tool["type"] == "namespace"},
    session_in=_thread_in,
    resume_words=lambda session: ("resume", session, "-"),
    first_event="thread.started",
    last_event="turn.completed",
    failed_event="turn.failed",
)
CLAUDE_CODE: Final = Cli(
    name="claude-code",
    program="claude",
    real=CLAUDE,
    model="claude-scripted",
    api=MessagesApi(),
    key_name="ANTHROPIC_API_KEY",
    settle=_settle_claude,
    passed=("CLAUDE_CODE_MAX_RETRIES", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"),
    key_in=lambda headers: headers["x-api-key"],
    tools_in=lambda body: {
        "submit_pr" for tool in body["tools"] if tool["name"] == "mcp__scriptorium__submit_pr"
    },
    session_in=_session_in,
    resume_words=lambda session: ("--resume", session),
    first_event="system",
    last_event="result",
    failed_event="result",
)


def _parameter(cli: Cli, missing: str) -> Any:
    return pytest.param(cli, id=cli.name, marks=pytest.mark.skipif(cli.real is None, reason=missing))


EACH_CLI: Final = (
    _parameter(CODEX, "needs the extra scriptorium[codex]"),
    _parameter(CLAUDE_CODE, "needs Claude Code: npm, and make integration-test"),
)
"""For `params` of a fixture: both, each skipped where it is not installed."""


def read_events(printed: bytes) -> list[dict[str, Any]]:
    """The JSON lines that a CLI printed; one that was cut short by a kill is left out."""
    whole = printed.rpartition(b"\n")[0]
    return [json.loads(line) for line in whole.splitlines()]
