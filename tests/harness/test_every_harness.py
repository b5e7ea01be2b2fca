"""The suite that every harness passes: each runs a real process that speaks its CLI's lines."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import Factory, define

from scriptorium.harness.environment import MCP_TOKEN, MCP_URL, secrets_of
from scriptorium.harness.events import Usage
from scriptorium.harness.faults import ProviderFault
from scriptorium.harness.interface import AgentOutcome, AgentRequest, AgentRun, Harness, run_agent
from scriptorium.harness.process import OutcomeKind, ProcessRunner
from scriptorium.harness.registry import HARNESSES
from scriptorium.server import Endpoint, SubmitAnswer, Tokens
from scriptorium.server.serve import serve

from . import stub_cli
from .worlds import new_run_id

REPORTING = frozenset({"codex", "claude-code", "typoi"})
"""These say in their output how it went; any other program says it by its exit code."""
WITH_SESSIONS = frozenset({"codex", "claude-code"})

each = pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)
pytestmark = [pytest.mark.req("CA-11"), each]


async def run(
    folder: Path, harness: Harness, scene: str, *,
    mcp: tuple[str, str] | None = None, silence: float | None = None, resume: str | None = None,
) -> AgentOutcome:  # fmt: skip
    """A run of the stub; `mcp` is the address of the tools and the token, `silence` the no-output limit."""
    env = {"PATH": os.environ["PATH"]}
    if mcp is not None:
        env |= {MCP_URL: mcp[0], MCP_TOKEN: mcp[1]}
    request = AgentRequest(
        role="coding", prompt="Do it. é", cwd=folder, last_message=folder / "last.md",
        command=(sys.executable, stub_cli.__file__, harness.name, scene),
        mcp_url=None if mcp is None else mcp[0], resume=resume,
    )  # fmt: skip
    run = AgentRun(
        new_run_id(),
        env,
        folder / "1.jsonl",
        60.0,
        no_output_timeout_seconds=silence,
        secrets=secrets_of(env),
    )
    return await run_agent(ProcessRunner(folder / "runs", durable=False), harness, request, run)


@pytest.mark.req("CA-05", "CA-08")
async def test_a_success_has_an_answer_a_session_and_what_it_used(tmp_path: Path, harness: Harness) -> None:
    outcome = await run(tmp_path, harness, "succeeds")
    assert (outcome.process.kind, outcome.failure, outcome.fault) == (OutcomeKind.EXITED, None, None)
    assert outcome.last_message == "You said: Do it. é"
    assert (tmp_path / "last.md").read_text().strip() == outcome.last_message
    has_session = harness.name in WITH_SESSIONS
    assert outcome.session == (stub_cli.SESSION if has_session else None)
    assert outcome.usage == (Usage(200, 40) if has_session else Usage())
    assert outcome.unknown_lines == 0


@pytest.mark.req("CA-08")
async def test_a_failure_is_told_in_the_cli_s_own_words(tmp_path: Path, harness: Harness) -> None:
    outcome = await run(tmp_path, harness, "fails")
    assert (outcome.process.kind, outcome.process.exit_code) == (OutcomeKind.FAILED, 1)
    told = ": it broke" if harness.name in REPORTING else ""
    assert outcome.describe() == f"failed with exit code 1{told}"
    assert outcome.fault is None


@pytest.mark.req("CA-07")
async def test_a_limit_of_the_provider_is_told_from_the_agent_s_own_fault(
    tmp_path: Path, harness: Harness
) -> None:
    outcome = await run(tmp_path, harness, "limited")
    assert outcome.process.kind is OutcomeKind.FAILED
    assert outcome.fault is (ProviderFault.RATE_LIMIT if harness.name in REPORTING else None)


@pytest.mark.req("CA-08", "CA-04")
async def test_lines_that_nobody_understands_end_nothing_and_are_kept(
    tmp_path: Path, harness: Harness
) -> None:
    outcome = await run(tmp_path, harness, "malformed")
    assert outcome.process.kind is OutcomeKind.EXITED
    assert outcome.last_message == "You said: Do it. é"
    assert outcome.unknown_lines == (len(stub_cli.ODD_LINES) if harness.name in REPORTING else 0)
    log = (tmp_path / "1.jsonl").read_bytes()
    assert b"\n".join(stub_cli.ODD_LINES) in log


@pytest.mark.slow
@pytest.mark.req("CA-06", "CA-08")
async def test_a_silent_one_is_ended_by_the_watchdog(tmp_path: Path, harness: Harness) -> None:
    outcome = await run(tmp_path, harness, "stalls", silence=0.2)
    assert outcome.process.kind is OutcomeKind.NO_OUTPUT
    assert outcome.fault is None


@pytest.mark.req("CA-07")
async def test_a_session_is_gone_on_with_where_there_are_any(tmp_path: Path, harness: Harness) -> None:
    other = stub_cli.SESSION.replace("2", "3")
    outcome = await run(tmp_path, harness, "succeeds", resume=other)
    assert outcome.process.kind is OutcomeKind.EXITED
    assert outcome.session == (other if harness.name in WITH_SESSIONS else None)


@define
class Inbox:
    """Takes every submission."""

    taken: list[tuple[str, str]] = Factory(list)

    async def submit(self, run_id: str, summary: str) -> SubmitAnswer:
        self.taken.append((run_id, summary))
        return SubmitAnswer(accepted=True, message="Taken.")


@pytest.mark.slow
@pytest.mark.req("CA-08", "CA-03", "V1-21")
async def test_it_submits_with_the_token_of_its_run_which_no_log_has(
    tmp_path: Path, harness: Harness, nursery: trio.Nursery
) -> None:
    inbox, tokens = Inbox(), Tokens()
    start = partial(serve, host="127.0.0.1", port=0, tokens=tokens, submit=inbox.submit)
    endpoint: Endpoint = await nursery.start(start)
    token = tokens.issue("the-run")
    outcome = await run(tmp_path, harness, "submits", mcp=(endpoint.mcp_url, token))
    assert outcome.process.kind is OutcomeKind.EXITED, (tmp_path / "1.jsonl.stderr").read_text()
    assert inbox.taken == [("the-run", "You said: Do it. é")]
    assert token not in (tmp_path / "1.jsonl").read_text()
    nursery.cancel_scope.cancel()
