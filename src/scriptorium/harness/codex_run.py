"""One run of Codex as a plain call, for programs that want no more than that."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import trio
from attrs import field, frozen

from scriptorium.harness.codex import CodexHarness
from scriptorium.harness.environment import MCP_TOKEN, secrets_of
from scriptorium.harness.events import Usage
from scriptorium.harness.interface import AgentOutcome, AgentRequest, AgentRun, last_message_path, run_agent
from scriptorium.harness.process import ProcessOutcome, RunFacts, Runner
from scriptorium.harness.refusing import default_runner
from scriptorium.harness.spec import DEFAULT_LOG_LIMIT_BYTES


def _fresh_run_id() -> str:
    return secrets.token_hex(16)


@frozen
class CodexRunRequest:
    """What to run Codex for.

    `log` gets the JSON lines as they come and must not exist; the last message goes beside it, as does the
    folder of run records, unless said otherwise. `env` is the whole environment of the process (None: this
    program's own). `mcp_token` goes into the environment, never into the arguments.
    """

    prompt: str = field(repr=False)
    cwd: Path
    log: Path
    model: str | None = None
    reasoning_effort: str | None = None
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] = ()
    resume: str | None = None
    operator_tools: bool = False
    mcp_url: str | None = None
    mcp_token: str | None = field(default=None, repr=False)
    env: Mapping[str, str] | None = field(default=None, repr=False)
    last_message: Path | None = None
    runs_dir: Path | None = None
    run_id: str = field(factory=_fresh_run_id)
    role: str = "coding"
    hard_timeout_seconds: float = 4 * 3600.0
    no_output_timeout_seconds: float | None = 600.0
    stop_grace_seconds: float = 5.0
    log_limit_bytes: int = DEFAULT_LOG_LIMIT_BYTES

    @property
    def last_message_path(self) -> Path:
        """Where the last message goes."""
        return self.last_message or last_message_path(self.log)


@frozen
class CodexRunResult:
    """How a run of Codex ended. `thread` can be given as `resume`; `usage` counts the whole thread."""

    process: ProcessOutcome
    last_message: str | None
    last_message_path: Path
    thread: str | None
    usage: Usage
    failure: str | None
    unknown_lines: int
    log: Path

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with exit code 0 and no failure reported."""
        return self.process.exit_code == 0 and self.failure is None


async def run_codex(
    request: CodexRunRequest, *, runner: Runner | None = None, stop: trio.Event | None = None
) -> CodexRunResult:
    """Run Codex once, to its end. What goes wrong is told by the result, never raised.

    `runner` is where processes come from (None: the default one). `stop` and cancellation are as for
    `ProcessRunner.run`.
    """
    env = dict(os.environ if request.env is None else request.env)
    if request.mcp_token is not None:
        env[MCP_TOKEN] = request.mcp_token
    runner = runner or default_runner(request.runs_dir or request.log.parent / "runs")
    outcome = await run_agent(
        runner,
        CodexHarness(),
        AgentRequest(
            role=request.role,
            prompt=request.prompt,
            cwd=request.cwd,
            last_message=request.last_message_path,
            model=request.model,
            reasoning_effort=request.reasoning_effort,
            command=request.command,
            args=request.args,
            mcp_url=request.mcp_url,
            resume=request.resume,
            operator_tools=request.operator_tools,
        ),
        AgentRun(
            run_id=request.run_id,
            env=env,
            log=request.log,
            hard_timeout_seconds=request.hard_timeout_seconds,
            no_output_timeout_seconds=request.no_output_timeout_seconds,
            stop_grace_seconds=request.stop_grace_seconds,
            log_limit_bytes=request.log_limit_bytes,
            secrets=secrets_of(env),
            record=RunFacts(role=request.role, harness="codex"),
        ),
        stop=stop,
    )
    return _result(request, outcome)


def _result(request: CodexRunRequest, outcome: AgentOutcome) -> CodexRunResult:
    return CodexRunResult(
        process=outcome.process,
        last_message=outcome.last_message,
        last_message_path=request.last_message_path,
        thread=outcome.session,
        usage=outcome.usage,
        failure=outcome.failure,
        unknown_lines=outcome.unknown_lines,
        log=request.log,
    )
