"""``submit``: an agent without an MCP client makes the call from its environment."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from scriptorium.cli import main
from scriptorium.server import SubmitAnswer, Tokens
from scriptorium.server.endpoint import Endpoint
from scriptorium.server.serve import serve

COMMAND = str(Path(sys.executable).with_name("scriptorium"))


async def submitted(summary: str, answer: SubmitAnswer) -> tuple[int, str, str, list[tuple[str, str]]]:
    """Submit with the real program to the real server: exit code, output, errors, and what arrived."""
    arrived: list[tuple[str, str]] = []

    async def submit(run_id: str, text: str) -> SubmitAnswer:
        arrived.append((run_id, text))
        return answer

    tokens = Tokens()
    token = tokens.issue("run-1")
    async with trio.open_nursery() as nursery:
        endpoint: Endpoint = await nursery.start(
            partial(serve, host="127.0.0.1", port=0, tokens=tokens, submit=submit)
        )
        environment = {"SCRIPTORIUM_MCP_URL": f"{endpoint.url}/mcp", "SCRIPTORIUM_MCP_TOKEN": token}
        done = await trio.run_process(
            [COMMAND, "submit", summary],
            env=environment,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        nursery.cancel_scope.cancel()
    return done.returncode, done.stdout.decode(), done.stderr.decode(), arrived


@pytest.mark.slow
@pytest.mark.req("V1-00a")
async def test_it_hands_the_work_in_and_says_what_happens_next() -> None:
    summary = "Add the parser\n\nWith tests for ä."
    outcome = await submitted(summary, SubmitAnswer(accepted=True, message="taken; the checks run next"))
    assert outcome == (0, "taken; the checks run next\n", "", [("run-1", summary)])


@pytest.mark.slow
async def test_a_refusal_is_a_failure_with_its_reason() -> None:
    outcome = await submitted("Nothing", SubmitAnswer(accepted=False, message="nothing to land"))
    assert outcome == (1, "", "scriptorium: refused: nothing to land\n", [("run-1", "Nothing")])


@pytest.mark.parametrize(
    ("url", "token", "told"),
    [
        (None, None, "SCRIPTORIUM_MCP_URL and SCRIPTORIUM_MCP_TOKEN not set"),
        ("http://127.0.0.1:1/mcp", None, "SCRIPTORIUM_MCP_TOKEN not set"),
        ("not a url", "t", "not a url"),
        ("http://127.0.0.1:1/mcp", "t", "is `scriptorium run` still running?"),
    ],
)
def test_where_there_is_no_service(
    url: str | None,
    token: str | None,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"SCRIPTORIUM_MCP_URL": url, "SCRIPTORIUM_MCP_TOKEN": token}.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    assert main(["submit", "Done"]) == 1
    assert told in capsys.readouterr().err


def test_a_summary_says_something(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTORIUM_MCP_URL", "http://127.0.0.1:1/mcp")
    monkeypatch.setenv("SCRIPTORIUM_MCP_TOKEN", "t")
    assert main(["submit", "  "]) == 2
    assert "the summary is empty" in capsys.readouterr().err
