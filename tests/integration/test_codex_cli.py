"""The real Codex CLI, run by our harness, against the model server and our MCP server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex

import pygit2
import pytest
import trio
from attrs import Factory, define, evolve, frozen

from scriptorium.harness.codex import CodexHarness, find_codex
from scriptorium.harness.codex_run import CodexRunRequest, CodexRunResult, run_codex
from scriptorium.harness.environment import MCP_TOKEN
from scriptorium.harness.events import HarnessEvent, ToolClosed, ToolOpened
from scriptorium.harness.interface import AgentRequest, AgentRun
from scriptorium.harness.process import ProcessRunner
from scriptorium.harness.version import Versions
from scriptorium.server import Endpoint, SubmitAnswer, Tokens
from scriptorium.server.serve import serve

from .model_server import TOKENS_IN, TOKENS_OUT, CallTool, Conversation, ModelServer, Say, Shell, Step
from .responses_api import ResponsesApi

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("codex_cli_bin") is None, reason="needs the extra scriptorium[codex]"),
]

ACCEPTED = SubmitAnswer(accepted=True, message="Taken: the checks run next.")
NOTHING = SubmitAnswer(accepted=False, message="Nothing to land: change something.")
SUMMARY = "Add made.txt\n\nIt holds one line, as the ticket asks. é"
PROMPT = "You are a software engineer. Do the ticket: make made.txt."
MAKE = Shell("echo it works > made.txt")
SUBMIT = CallTool("submit_pr", {"summary": SUMMARY})
END = Say("The work is submitted.")


@define
class Inbox:
    """Takes submissions: records them, answers as told, and can hold them until so many are there."""

    answer: SubmitAnswer = ACCEPTED
    wait_for: int = 1
    taken: list[tuple[str, str]] = Factory(list)
    _all_there: trio.Event = Factory(trio.Event)

    async def submit(self, run_id: str, summary: str) -> SubmitAnswer:
        self.taken.append((run_id, summary))
        if len(self.taken) >= self.wait_for:
            self._all_there.set()
        await self._all_there.wait()
        return self.answer


@frozen
class World:
    """One Codex home, one worktree, one model, one MCP server."""

    folder: Path
    model: ModelServer
    inbox: Inbox
    tokens: Tokens
    endpoint: Endpoint
    runner: ProcessRunner
    mark: str = Factory(partial(token_hex, 8))

    def run_id(self, name: str) -> str:
        """A run's id: unlike any other on this machine, for by it processes are killed."""
        return f"{name}-{self.mark}"

    @property
    def worktree(self) -> Path:
        return self.folder / "worktree"

    def request(self, name: str, prompt: str = PROMPT) -> CodexRunRequest:
        """A run with a live token."""
        run_id = self.run_id(name)
        return CodexRunRequest(
            prompt=prompt,
            cwd=self.worktree,
            log=self.folder / f"{name}.jsonl",
            args=provider(self.model.url),
            mcp_url=self.endpoint.mcp_url,
            mcp_token=self.tokens.issue(run_id),
            env=environment(self.folder / "home"),
            run_id=run_id,
            hard_timeout_seconds=60,
        )

    async def run(self, request: CodexRunRequest) -> CodexRunResult:
        return await run_codex(request, runner=self.runner)


def environment(home: Path) -> dict[str, str]:
    """Nothing of whoever runs the tests: no login, no settings, no proxy."""
    own = {"HOME": str(home), "CODEX_HOME": str(home), "NO_PROXY": "*", "MODEL_KEY": "none"}
    return {"PATH": os.environ["PATH"]} | own


def provider(url: str) -> tuple[str, ...]:
    """The settings that make Codex ask the model server."""
    settings = f'{{name="local",base_url="{url}/v1",env_key="MODEL_KEY",wire_api="responses"}}'
    return ("-c", 'model_provider="local"', "-c", f"model_providers.local={settings}")


def events_of(result: CodexRunResult) -> list[HarnessEvent]:
    harness = CodexHarness()
    return [event for line in result.log.read_bytes().splitlines() for event in harness.parse(line)]


@pytest.fixture
async def world(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[World]:
    """A world whose model does the work; the model must have been able to answer all it was asked."""
    (tmp_path / "home").mkdir()
    pygit2.init_repository(str(tmp_path / "worktree"))
    inbox, tokens = Inbox(), Tokens()
    run = partial(serve, host="127.0.0.1", port=0, tokens=tokens, submit=inbox.submit)
    endpoint: Endpoint = await nursery.start(run)
    async with ModelServer(lambda _conversation: [MAKE, SUBMIT, END], ResponsesApi()).running() as model:
        # As in the service: Codex leaves helpers behind that would stay zombies otherwise.
        runner = ProcessRunner(tmp_path / "runs", adopts_orphans=True)
        yield World(tmp_path, model, inbox, tokens, endpoint, runner)
        assert model.faults == []


@pytest.mark.req("CA-09", "CA-05", "V1-03", "V1-21")
async def test_codex_works_submits_and_reports(world: World) -> None:
    result = await world.run(world.request("run-1"))
    assert result.ok, result
    assert (world.worktree / "made.txt").read_text() == "it works\n"
    assert world.inbox.taken == [(world.run_id("run-1"), SUMMARY)]
    assert result.last_message == END.text
    assert result.last_message_path.read_text().strip() == END.text
    assert (result.usage.tokens_in, result.usage.tokens_out) == (3 * TOKENS_IN, 3 * TOKENS_OUT)
    assert result.thread
    asked = world.model.conversations
    assert [each.prompt.strip() for each in asked] == [PROMPT] * 3
    assert [each.role for each in asked] == ["coding"] * 3
    assert ACCEPTED.message in asked[2].outputs[1]


@pytest.mark.req("CA-09")
async def test_every_line_that_codex_prints_is_understood(world: World) -> None:
    result = await world.run(world.request("run-1"))
    tools = [event for event in events_of(result) if isinstance(event, ToolOpened | ToolClosed)]
    assert [(type(tool), tool.name) for tool in tools] == [
        (ToolOpened, "command_execution"),
        (ToolClosed, "command_execution"),
        (ToolOpened, "mcp_tool_call"),
        (ToolClosed, "mcp_tool_call"),
    ]
    assert result.unknown_lines == 0


@pytest.mark.req("CA-09", "V1-21")
async def test_the_model_reads_why_a_submission_is_refused_and_can_mend_it(world: World) -> None:
    world.inbox.answer = NOTHING

    def play(conversation: Conversation) -> list[Step]:
        if len(conversation.outputs) == 2 and NOTHING.message in conversation.outputs[1]:
            world.inbox.answer = ACCEPTED
        return [MAKE, SUBMIT, Shell("echo more >> made.txt"), SUBMIT, END]

    world.model.script = play
    result = await world.run(world.request("run-1"))
    assert result.ok, result
    assert len(world.inbox.taken) == 2
    assert ACCEPTED.message in world.model.conversations[-1].outputs[3]


@pytest.mark.req("CA-09")
async def test_a_thread_is_resumed(world: World) -> None:
    first = await world.run(world.request("run-1"))
    second = await world.run(evolve(world.request("run-2", "Go on from there."), resume=first.thread))
    assert second.ok, second
    assert second.thread == first.thread
    asked = world.model.conversations[-1]
    assert [prompt.strip() for prompt in asked.prompts] == [PROMPT, "Go on from there."]
    assert asked.role == "coding"
    assert [run for run, _ in world.inbox.taken] == [world.run_id("run-1"), world.run_id("run-2")]
    assert second.usage.tokens_in == 6 * TOKENS_IN


@pytest.mark.req("CA-09", "V1-21")
async def test_two_at_once_are_each_credited_with_their_own(world: World) -> None:
    async def agent(name: str) -> None:
        assert (await world.run(world.request(name, f"I am {name}"))).ok

    world.model.script = lambda asked: [CallTool("submit_pr", {"summary": asked.prompt.strip()}), END]
    world.inbox.wait_for = 2
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent, "run-1")
        nursery.start_soon(agent, "run-2")
    expected = [(world.run_id(name), f"I am {name}") for name in ("run-1", "run-2")]
    assert sorted(world.inbox.taken) == expected


async def test_without_a_live_token_the_run_fails_before_the_model_is_asked(world: World) -> None:
    request = world.request("run-1")
    world.tokens.revoke(world.run_id("run-1"))
    result = await world.run(request)
    assert not result.ok
    assert world.model.conversations == []
    assert world.inbox.taken == []


@pytest.mark.req("CA-03")
async def test_the_token_is_in_no_argument_and_in_no_log(world: World) -> None:
    tell = Shell(f"echo ${MCP_TOKEN}; tr '\\0' ' ' < /proc/$PPID/cmdline")
    world.model.script = lambda _conversation: [tell, END]
    request = world.request("run-1")
    assert request.mcp_token
    result = await world.run(request)
    assert result.ok, result
    shown = world.model.conversations[-1].outputs[0]
    assert "mcp_servers.scriptorium.url" in shown
    assert request.mcp_token not in shown.partition("mcp_servers.scriptorium.url")[2]
    assert request.mcp_token not in result.log.read_text()


@pytest.mark.req("CA-03", "CA-09")
@pytest.mark.parametrize("kept", [False, True])
async def test_what_a_person_has_lent_codex_is_not_an_agent_s(world: World, kept: bool) -> None:
    marks = {name: world.folder / name for name in ("notified", "served")}
    (world.folder / "home" / "config.toml").write_text(
        f'notify = ["touch", "{marks["notified"]}"]\n'
        f'[mcp_servers.mine]\ncommand = "touch"\nargs = ["{marks["served"]}"]\n'
    )
    result = await world.run(evolve(world.request("run-1"), operator_tools=kept))
    assert result.ok, result
    assert {name: path.exists() for name, path in marks.items()} == dict.fromkeys(marks, kept)
    assert len(world.inbox.taken) == 1


@pytest.mark.req("CA-03")
def test_codex_reads_the_mcp_settings_as_they_are_meant(tmp_path: Path) -> None:
    env = environment(tmp_path)
    url = "http://127.0.0.1:8097/mcp"
    codex = find_codex(env)
    request = AgentRequest("coding", "x", tmp_path, tmp_path / "last", mcp_url=url, command=(codex,))
    argv = CodexHarness().command(request, env).argv
    argv = (*argv[: argv.index("exec")], "mcp", "list", "--json")
    printed = subprocess.run(argv, check=True, capture_output=True, env=env, cwd=tmp_path).stdout
    (server,) = json.loads(printed)
    assert (server["name"], server["enabled"]) == ("scriptorium", True)
    transport = server["transport"]
    assert (transport["type"], transport["url"]) == ("streamable_http", url)
    assert transport["bearer_token_env_var"] == MCP_TOKEN


@pytest.mark.req("CA-09")
async def test_the_version_of_the_real_codex_is_read_and_supported(tmp_path: Path) -> None:
    """Asked of the program itself: a wording that changes would make every version unreadable."""
    (tmp_path / "home").mkdir()
    harness, told = CodexHarness(), list[str]()
    env = environment(tmp_path / "home")
    request = AgentRequest("coding", PROMPT, tmp_path, tmp_path / "last.md")
    run = AgentRun(f"version-{token_hex(8)}", env, tmp_path / "1.jsonl", hard_timeout_seconds=60)
    versions = Versions(ProcessRunner(tmp_path / "runs"), told.append)
    assert await versions.refusal(harness, request, run) is None
    assert told == []
