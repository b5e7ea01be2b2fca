"""The Codex harness: its argv, its lines, and whole runs of a stand-in that is a real process."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.harness.codex import CodexHarness, find_codex
from scriptorium.harness.codex_run import CodexRunRequest, CodexRunResult, run_codex
from scriptorium.harness.environment import MCP_TOKEN
from scriptorium.harness.events import (
    Failed,
    HarnessEvent,
    Message,
    Notice,
    Progress,
    SessionStarted,
    ToolClosed,
    ToolOpened,
    Transcript,
    TurnEnded,
    Unknown,
    UsageReported,
)
from scriptorium.harness.interface import AgentRequest
from scriptorium.harness.process import OutcomeKind, ProcessRunner
from scriptorium.harness.refusing import ProcessRefusedError, refuse_all

STUB = Path(__file__).with_name("stub_codex.py")
TOKEN = "token-of-this-run-0123456789"

HARNESS = CodexHarness()
REQUEST = AgentRequest(
    role="coding", prompt="Do it.", cwd=Path("/w/0001"), last_message=Path("/logs/1.last-message.md")
)


def argv(**changes: Any) -> list[str]:
    request = attrs.evolve(REQUEST, **({"command": ("codex",)} | changes))
    return list(HARNESS.command(request, {}).argv)


# ---------------------------------------------------------------- the command


@pytest.mark.req("CA-03")
def test_the_whole_command_in_the_contract_s_order() -> None:
    assert argv(
        command=("nice", "codex"),
        args=("-c", "tools.web_search=false"),
        model="gpt-5-codex",
        reasoning_effort="high",
        mcp_url="http://127.0.0.1:8097/mcp",
    ) == [
        "nice",
        "codex",
        "-c",
        "tools.web_search=false",
        "-c",
        'model_reasoning_effort="high"',
        "-c",
        'mcp_servers.scriptorium.url="http://127.0.0.1:8097/mcp"',
        "-c",
        'mcp_servers.scriptorium.bearer_token_env_var="SCRIPTORIUM_MCP_TOKEN"',
        "-c",
        "mcp_servers.scriptorium.required=true",
        "exec",
        "--json",
        "--output-last-message",
        "/logs/1.last-message.md",
        "--cd",
        "/w/0001",
        "--model",
        "gpt-5-codex",
        "--dangerously-bypass-approvals-and-sandbox",
        "-",
    ]


SHORTEST = [
    "codex",
    "exec",
    "--json",
    "--output-last-message",
    "/logs/1.last-message.md",
    "--cd",
    "/w/0001",
    "--dangerously-bypass-approvals-and-sandbox",
]


@pytest.mark.req("CA-03")
def test_what_is_not_set_is_not_said() -> None:
    assert argv() == [*SHORTEST, "-"]


@pytest.mark.req("CA-03")
def test_a_session_is_resumed_by_two_words_before_the_dash() -> None:
    assert argv(resume="0199-abc") == [*SHORTEST, "resume", "0199-abc", "-"]


@pytest.mark.req("CA-02")
def test_the_prompt_goes_to_standard_input() -> None:
    command = HARNESS.command(attrs.evolve(REQUEST, prompt="Grüße \udcff", command=("codex",)), {})
    assert command.stdin == "Grüße ?".encode()
    assert "Grüße" not in " ".join(command.argv)


def test_codex_on_the_path_is_taken(tmp_path: Path) -> None:
    (tmp_path / "codex").write_text("#!/bin/sh\n")
    (tmp_path / "codex").chmod(0o755)
    assert find_codex({"PATH": str(tmp_path)}) == "codex"


def test_else_the_one_that_the_extra_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "codex_cli_bin"
    package.mkdir()
    (package / "__init__.py").write_text("def bundled_codex_path():\n    return '/bundled/codex'\n")
    monkeypatch.delitem(sys.modules, "codex_cli_bin", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert find_codex({"PATH": str(tmp_path)}) == "/bundled/codex"
    monkeypatch.delitem(sys.modules, "codex_cli_bin")


def test_else_its_name_which_then_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "codex_cli_bin", None)
    assert find_codex({"PATH": str(tmp_path)}) == "codex"


# ---------------------------------------------------------------- its lines


def parsed(**event: Any) -> list[HarnessEvent]:
    return list(HARNESS.parse(json.dumps(event).encode()))


def item(kind: str, name: str, **more: Any) -> list[HarnessEvent]:
    return parsed(type=f"item.{kind}", item={"id": "item_0", "type": name, **more})


TOOLS = ["command_execution", "file_change", "mcp_tool_call", "web_search", "collab_tool_call"]


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_call_is_opened_and_closed(name: str) -> None:
    assert item("started", name) == [ToolOpened("item_0", name)]
    assert item("updated", name) == [ToolOpened("item_0", name)]
    assert item("completed", name, status="completed") == [ToolClosed("item_0", name)]
    assert item("completed", name, status="failed") == [ToolClosed("item_0", name, failed=True)]


@pytest.mark.parametrize("name", ["reasoning", "todo_list"])
def test_thinking_is_a_sign_of_life_and_no_open_call(name: str) -> None:
    assert item("started", name) == [Progress(name)]
    assert item("completed", name) == [Progress(name)]


def test_the_other_lines() -> None:
    assert parsed(type="thread.started", thread_id="0199-a.b_c") == [SessionStarted("0199-a.b_c")]
    assert parsed(type="turn.started") == [Progress("turn.started")]
    assert item("completed", "agent_message", text="Done.") == [Message("Done.")]
    assert item("completed", "error", message="careful") == [Notice("careful")]
    assert parsed(type="error", message="Reconnecting...") == [Notice("Reconnecting...")]
    assert parsed(type="turn.failed", error={"message": "quota"}) == [Failed("quota")]
    assert parsed(type="turn.failed") == [Failed("the turn failed without a reason")]
    usage = {"input_tokens": 200, "cached_input_tokens": 20, "output_tokens": 40}
    assert parsed(type="turn.completed", usage=usage) == [UsageReported(200, 40), TurnEnded()]
    assert parsed(type="turn.completed", usage={"input_tokens": True}) == [UsageReported(0, 0), TurnEnded()]


@pytest.mark.parametrize("thread", ["--last", "", "-", "a b", "a\n", "x" * 129, 7, None])
def test_a_thread_that_could_be_read_as_an_option_is_not_taken(thread: object) -> None:
    assert parsed(type="thread.started", thread_id=thread) == [Unknown("thread.started")]


@pytest.mark.parametrize(
    "line",
    [b"{", b"null", b"[]", b"\xff", b"[" * 1_000_000, b"9" * 5000, b'{"type": {}}', b"text", b'"\\ud800"'],
)
def test_what_is_not_understood_is_unknown(line: bytes) -> None:
    assert [type(event) for event in HARNESS.parse(line)] == [Unknown]


def test_an_empty_line_is_nothing() -> None:
    assert HARNESS.parse(b"") == ()
    assert HARNESS.parse(b" \r") == ()


def test_a_new_kind_is_unknown_by_its_name() -> None:
    assert parsed(type="thread.archived") == [Unknown("thread.archived")]
    assert item("completed", "image_view") == [Unknown("item image_view")]


@given(
    st.dictionaries(
        st.sampled_from(["type", "item", "usage", "error", "thread_id", "id", "text", "message"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.sampled_from(["item.started", "error", *TOOLS]),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "id", "text"]), inner),
            max_leaves=5,
        ),
    )
)
def test_no_line_makes_it_raise(value: dict[str, object]) -> None:
    Transcript().take(HARNESS.parse(json.dumps(value).encode()))


def test_a_transcript_counts_what_is_open() -> None:
    transcript = Transcript()
    assert transcript.take((ToolOpened("a", "x"), ToolOpened("b", "x"))).open_calls == 2
    assert transcript.take((ToolClosed("a", "x"),)).open_calls == 1
    assert transcript.take((Notice("…"),)).progress is False
    assert transcript.take(()).progress is False
    assert transcript.take((TurnEnded(),)).open_calls == 0
    for number in range(5000):
        transcript.take((ToolOpened(str(number), "x"),))
    assert transcript.take((Progress("x"),)).open_calls == 1000


# ---------------------------------------------------------------- whole runs


async def run(tmp_path: Path, scene: str, **changes: Any) -> CodexRunResult:
    request = CodexRunRequest(
        prompt="Do it.",
        cwd=tmp_path,
        log=tmp_path / "logs" / "1.jsonl",
        command=(sys.executable, "-I", "-S", str(STUB)),
        env={"PATH": os.environ["PATH"], "SCENE": scene},
        stop_grace_seconds=1.0,
    )
    runner = ProcessRunner(tmp_path / "runs", durable=False)
    return await run_codex(attrs.evolve(request, **changes), runner=runner)


@pytest.mark.req("CA-01", "CA-02", "CA-05", "CA-08")
async def test_a_run_that_succeeds(tmp_path: Path) -> None:
    result = await run(tmp_path, "works")
    assert result.ok
    assert result.process.kind is OutcomeKind.EXITED
    assert (result.thread, result.failure, result.unknown_lines) == ("thread-1", None, 0)
    assert (result.usage.tokens_in, result.usage.tokens_out) == (200, 40)
    assert result.last_message == "You said: Do it."
    assert result.last_message_path == tmp_path / "logs" / "1.last-message.md"
    assert result.last_message_path.read_text() == "You said: Do it."


@pytest.mark.req("CA-04", "CA-08")
async def test_the_stream_is_kept_byte_for_byte(tmp_path: Path) -> None:
    result = await run(tmp_path, "malformed")
    lines = result.log.read_bytes().split(b"\n")
    assert lines[2:8] == [
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 5000,
        b'{"type": 7}',
        b'{"type": "new.thing"}',
    ]
    assert json.loads(lines[0]) == {"type": "thread.started", "thread_id": "thread-1"}


@pytest.mark.req("CA-08")
async def test_malformed_lines_are_counted_and_harm_nothing(tmp_path: Path) -> None:
    result = await run(tmp_path, "malformed")
    assert result.ok
    assert result.unknown_lines == 6
    assert result.last_message == "You said: Do it."


@pytest.mark.req("CA-01", "CA-08")
async def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    result = await run(tmp_path, "fails")
    assert not result.ok
    assert (result.process.kind, result.process.exit_code) == (OutcomeKind.FAILED, 1)
    assert result.failure == "stream disconnected"
    assert result.last_message is None


@pytest.mark.slow
@pytest.mark.req("CA-06", "CA-08")
async def test_a_run_that_stalls_is_stopped(tmp_path: Path) -> None:
    result = await run(tmp_path, "stalls", no_output_timeout_seconds=0.5)
    assert not result.ok
    assert result.process.kind is OutcomeKind.NO_OUTPUT
    assert result.thread == "thread-1"


async def test_a_session_is_resumed(tmp_path: Path) -> None:
    assert (await run(tmp_path, "works", resume="thread-7")).thread == "thread-7"


async def test_a_program_that_is_not_there_is_told_by_the_result(tmp_path: Path) -> None:
    result = await run(tmp_path, "works", command=("/nonexistent/codex",))
    assert result.process.describe() == "could not start: /nonexistent/codex: No such file or directory"


class _Tools(BaseHTTPRequestHandler):
    calls: list[tuple[str | None, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.calls.append((self.headers["Authorization"], body["params"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def tools() -> Iterator[tuple[str, list[tuple[str | None, Any]]]]:
    """A server that takes tool calls; its address, and what it was sent."""
    calls: list[tuple[str | None, Any]] = []
    handler = type("Tools", (_Tools,), {"calls": calls})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/mcp", calls
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
@pytest.mark.req("CA-03", "CA-08")
async def test_a_tool_call_is_made_with_the_token_of_the_environment(tmp_path: Path) -> None:
    with tools() as (url, calls):
        result = await run(tmp_path, "submits", mcp_url=url, mcp_token=TOKEN)
    assert result.ok
    assert calls == [(f"Bearer {TOKEN}", {"name": "submit_pr", "arguments": {"summary": "done"}})]
    # It never stands in the arguments, and what the program itself printed of it is masked.
    assert MCP_TOKEN in " ".join(argv(mcp_url=url))
    assert result.log.with_name("1.jsonl.stderr").read_text() == "[masked]\n"
    assert TOKEN.encode() not in result.process.tail


async def test_a_secret_in_the_last_message_is_masked_in_the_result_and_the_file(tmp_path: Path) -> None:
    result = await run(tmp_path, "works", prompt=f"print {TOKEN}", mcp_token=TOKEN)
    assert result.last_message == "You said: print [masked]"
    assert result.last_message_path.read_text() == "You said: print [masked]"
    assert TOKEN.encode() not in result.log.read_bytes()


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo", "folder"])
async def test_only_a_plain_file_is_read_as_the_last_message(tmp_path: Path, kind: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text(f"mine {TOKEN}")
    planted = tmp_path / "planted"
    match kind:
        case "symlink":
            planted.symlink_to(precious)
        case "hardlink":
            planted.hardlink_to(precious)
        case "fifo":
            os.mkfifo(planted)
        case _:
            planted.mkdir()
    # The stand-in fails before it writes; what is there was planted by the agent.
    result = await run(tmp_path, "fails", last_message=planted, mcp_token=TOKEN)
    assert result.last_message is None
    assert precious.read_text() == f"mine {TOKEN}"


@pytest.mark.req("CA-01")
async def test_without_a_runner_the_default_one_is_asked_which_tests_can_make_refuse(tmp_path: Path) -> None:
    request = CodexRunRequest(prompt="x", cwd=tmp_path, log=tmp_path / "1.jsonl", command=("codex",))
    with refuse_all() as refusing, pytest.raises(ProcessRefusedError, match="refused to start 'codex exec"):
        await run_codex(request)
    assert [words[:2] for words in refusing.refused] == [("codex", "exec")]


async def test_the_default_runner_runs_where_nobody_refuses(tmp_path: Path) -> None:
    request = CodexRunRequest(
        prompt="x",
        cwd=tmp_path,
        log=tmp_path / "1.jsonl",
        command=(sys.executable, "-I", "-S", str(STUB)),
        env={"SCENE": "works"},
    )
    assert (await run_codex(request)).last_message == "You said: x"
