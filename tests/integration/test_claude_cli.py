"""The real Claude Code, run by our harness, against the model server and our MCP server."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from secrets import token_hex
from unittest.mock import ANY

import pygit2
import pytest
import trio
from attrs import Factory, define, field, frozen

from scriptorium.harness.claude_code import ClaudeCodeHarness
from scriptorium.harness.environment import MCP_TOKEN, secrets_of
from scriptorium.harness.events import HarnessEvent, ToolClosed, ToolOpened, Usage
from scriptorium.harness.faults import ProviderFault
from scriptorium.harness.interface import AgentOutcome, AgentRequest, AgentRun, run_agent
from scriptorium.harness.process import OutcomeKind, ProcessRunner
from scriptorium.server import Endpoint, SubmitAnswer, Tokens
from scriptorium.server.serve import serve

from .claude import CLAUDE, needs_claude
from .messages_api import MessagesApi
from .model_server import TOKENS_IN, TOKENS_OUT, CallTool, Fault, ModelServer, Refuse, Say, Shell, Step

pytestmark = [pytest.mark.slow, needs_claude]

ACCEPTED = SubmitAnswer(accepted=True, message="Taken: the checks run next.")
SUMMARY = "Add made.txt\n\nIt holds one line, as the ticket asks. é"
PROMPT = "You are a software engineer. Do the ticket: make made.txt."
MAKE = Shell("echo it works > made.txt")
SUBMIT = CallTool("submit_pr", {"summary": SUMMARY})
END = Say("The work is submitted.")


@define
class World:
    """One home, one worktree, one model, one MCP server."""

    folder: Path
    model: ModelServer
    tokens: Tokens
    endpoint: Endpoint
    taken: list[tuple[str, str]]
    runner: ProcessRunner
    events: list[HarnessEvent] = Factory(list)
    _mark: str = field(factory=partial(token_hex, 8))

    async def run(
        self, name: str, prompt: str = PROMPT, *, resume: str | None = None, operator_tools: bool = False
    ) -> AgentOutcome:
        """One run, with a live token and nothing of the environment of whoever runs the tests."""
        run_id = f"{name}-{self._mark}"
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "IS_SANDBOX": "1",
            "ANTHROPIC_BASE_URL": self.model.url, "ANTHROPIC_API_KEY": "the-key-of-nobody",
            "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost", "CLAUDECODE": "1",
            "CLAUDE_CODE_MAX_RETRIES": "1", MCP_TOKEN: self.tokens.issue(run_id),
        }  # fmt: skip
        request = AgentRequest(
            role="coding", prompt=prompt, cwd=self.folder / "worktree",
            last_message=self.folder / f"{name}.md", model="claude-scripted", command=(str(CLAUDE),),
            mcp_url=self.endpoint.mcp_url, resume=resume, operator_tools=operator_tools,
        )  # fmt: skip
        run = AgentRun(run_id, env, self.folder / f"{name}.jsonl", 60.0, secrets=secrets_of(env))
        return await run_agent(self.runner, ClaudeCodeHarness(), request, run, on_event=self.events.append)


@frozen
class _Inbox:
    taken: list[tuple[str, str]]

    async def submit(self, run_id: str, summary: str) -> SubmitAnswer:
        self.taken.append((run_id, summary))
        return ACCEPTED


@pytest.fixture
async def world(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[World]:
    """A world whose model does the work; the model must have been able to answer all it was asked."""
    (tmp_path / "home").mkdir()
    pygit2.init_repository(str(tmp_path / "worktree"))
    taken: list[tuple[str, str]] = []
    tokens = Tokens()
    run = partial(serve, host="127.0.0.1", port=0, tokens=tokens, submit=_Inbox(taken).submit)
    endpoint: Endpoint = await nursery.start(run)
    async with ModelServer(lambda _conversation: [MAKE, SUBMIT, END], MessagesApi()).running() as model:
        runner = ProcessRunner(tmp_path / "runs", adopts_orphans=True)
        yield World(tmp_path, model, tokens, endpoint, taken, runner)
        assert model.faults == []


@pytest.mark.req("CA-09", "CA-11", "CA-05", "V1-03", "V1-21")
async def test_claude_works_submits_and_reports(world: World) -> None:
    outcome = await world.run("run-1")
    log = (world.folder / "run-1.jsonl").read_text()
    assert (outcome.process.kind, outcome.failure) == (OutcomeKind.EXITED, None), log
    assert (world.folder / "worktree" / "made.txt").read_text() == "it works\n"
    assert [summary for _, summary in world.taken] == [SUMMARY]
    assert outcome.last_message == END.text
    assert (world.folder / "run-1.md").read_text().strip() == END.text
    assert outcome.session
    assert outcome.usage.tokens_out is not None
    assert outcome.usage.tokens_out >= 3 * TOKENS_OUT
    asked = world.model.conversations
    assert [each.prompt.strip() for each in asked] == [PROMPT] * 3
    assert ACCEPTED.message in asked[2].outputs[1]


@pytest.mark.req("CA-09", "CA-11")
async def test_every_line_that_claude_prints_is_understood(world: World) -> None:
    outcome = await world.run("run-1")
    tools = [event for event in world.events if isinstance(event, ToolOpened | ToolClosed)]
    assert [type(tool) for tool in tools] == [ToolOpened, ToolClosed, ToolOpened, ToolClosed]
    assert [tool.name for tool in tools[::2]] == ["Bash", "mcp__scriptorium__submit_pr"]
    assert [tool.call for tool in tools[::2]] == [tool.call for tool in tools[1::2]]
    assert outcome.unknown_lines == 0


@pytest.mark.req("CA-07", "CA-09")
async def test_a_session_is_resumed(world: World) -> None:
    first = await world.run("run-1")
    assert first.session
    second = await world.run("run-2", "Go on from there.", resume=first.session)
    assert second.process.kind is OutcomeKind.EXITED
    assert second.session == first.session
    asked = world.model.conversations[-1]
    assert [prompt.strip() for prompt in asked.prompts] == [PROMPT, "Go on from there."]
    assert asked.role == "coding"
    assert len(world.taken) == 2
    assert second.usage.since(first.usage) == Usage(3 * TOKENS_IN, 3 * TOKENS_OUT, ANY)


@pytest.mark.req("CA-07", "CA-09")
@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (429, ProviderFault.RATE_LIMIT),
        (529, ProviderFault.OVERLOAD),
        (401, ProviderFault.CREDENTIALS),
        (400, None),
    ],
)
async def test_a_refusal_of_the_provider_is_told_from_a_fault_of_the_agent(
    world: World, status: int, fault: ProviderFault | None
) -> None:
    refuse: list[Step | Fault] = [Refuse(status, "No.")]
    world.model.script = lambda _conversation: refuse
    outcome = await world.run("run-1")
    assert outcome.process.kind is OutcomeKind.FAILED
    assert (outcome.failure is not None, outcome.fault) == (True, fault)


@pytest.mark.req("CA-03", "CA-09")
async def test_the_token_is_in_no_argument_and_in_no_log(world: World) -> None:
    tell = Shell(f"echo ${MCP_TOKEN}; tr '\\0' ' ' < /proc/$PPID/cmdline")
    world.model.script = lambda _conversation: [tell, END]
    await world.run("run-1")
    shown = world.model.conversations[-1].outputs[0]
    token = shown.splitlines()[0]
    assert len(token) >= 32
    assert "mcpServers" in shown
    assert token not in shown.partition("\n")[2]
    assert token not in (world.folder / "run-1.jsonl").read_text()


@pytest.mark.req("CA-03", "CA-09")
@pytest.mark.parametrize("kept", [False, True])
async def test_what_a_person_has_lent_claude_is_not_an_agent_s(world: World, kept: bool) -> None:
    home = world.folder / "home"
    marks = {name: world.folder / name for name in ("hooked", "served")}
    served = {"type": "stdio", "command": "touch", "args": [str(marks["served"])]}
    (home / ".claude.json").write_text(json.dumps({"mcpServers": {"mine": served}}))
    hook = {"hooks": [{"type": "command", "command": f"touch {marks['hooked']}"}]}
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text(json.dumps({"hooks": {"SessionStart": [hook]}}))
    outcome = await world.run("run-1", operator_tools=kept)
    assert outcome.process.kind is OutcomeKind.EXITED
    assert {name: path.exists() for name, path in marks.items()} == dict.fromkeys(marks, kept)
    assert len(world.taken) == 1


async def test_claude_starts_though_it_is_told_that_it_runs_within_itself(world: World) -> None:
    world.model.script = lambda _conversation: [Shell('echo "nested=$CLAUDECODE"'), END]
    outcome = await world.run("run-1")
    assert outcome.process.kind is OutcomeKind.EXITED
