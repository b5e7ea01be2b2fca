"""The one interface behind which every agent CLI sits: build the command, read a line."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import trio
from attrs import define, field, frozen

from scriptorium.harness.environment import MCP_TOKEN
from scriptorium.harness.events import HarnessEvent, Transcript, Unknown, Usage
from scriptorium.harness.faults import ProviderFault
from scriptorium.harness.output import mask
from scriptorium.harness.process import Activity, OutcomeKind, ProcessOutcome, ProcessSpec, RunFacts, Runner
from scriptorium.harness.spec import DEFAULT_LOG_LIMIT_BYTES

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""What is read of a last message: an agent may write anything into that file."""


def last_message_path(log: Path) -> Path:
    """The file beside a log that the run's last message goes to: `3.jsonl` has `3.last-message.md`."""
    return log.with_name(f"{log.stem}.last-message.md")


@frozen
class AgentRequest:
    """What an agent is started for, in words that every CLI has.

    `command` is the argv that starts the CLI (None: its usual name), `args` more arguments after it.
    `last_message` is where the CLI is asked to put its answer. `mcp_url` is set when it gets tools; the token
    is in its environment under the name `token_env`. `resume` is the session to go on with. `operator_tools`
    leaves on what the settings of the person have that the CLI is logged in for: MCP servers, hooks.
    """

    role: str
    prompt: str
    cwd: Path
    last_message: Path
    model: str | None = None
    reasoning_effort: str | None = None
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] = ()
    mcp_url: str | None = None
    token_env: str = MCP_TOKEN
    resume: str | None = None
    operator_tools: bool = False


@frozen
class Command:
    """How to start a CLI. `env` is added to the run's environment, `unset` is taken out of it."""

    argv: tuple[str, ...]
    stdin: bytes = field(repr=False)
    env: Mapping[str, str] = field(factory=dict)
    unset: tuple[str, ...] = ()


class Harness(Protocol):
    """One agent CLI. A value without state: one serves any number of runs."""

    @property
    def name(self) -> str:
        """Its name in the config."""
        ...

    @property
    def stderr_is_activity(self) -> bool:
        """Whether standard error is a sign of life. Not for a CLI that reports itself on standard output."""
        ...

    def command(self, request: AgentRequest, env: Mapping[str, str]) -> Command:
        """How to start it for this request; `env` is what its program is looked up with."""
        ...

    def parse(self, line: bytes) -> tuple[HarnessEvent, ...]:
        """What a line of its standard output says. Must not raise; if it does, the line counts as unknown."""
        ...


@frozen
class AgentRun:
    """The process side of an agent's run; the fields are those of `ProcessSpec`. `env` is complete."""

    run_id: str
    env: Mapping[str, str] = field(repr=False)
    log: Path
    hard_timeout_seconds: float
    no_output_timeout_seconds: float | None = None
    stop_grace_seconds: float = 5.0
    log_limit_bytes: int = DEFAULT_LOG_LIMIT_BYTES
    secrets: tuple[str, ...] = field(default=(), repr=False)
    record: RunFacts = field(factory=RunFacts)


@frozen
class AgentOutcome:
    """How an agent's run ended, and what it said.

    `failure` is what the CLI itself reported as the reason, and `fault` the provider's part in it, which may
    be over at `resets_at` (seconds since the epoch). `unknown_lines` were not understood; the log has them.
    """

    process: ProcessOutcome
    last_message: str | None = None
    session: str | None = None
    usage: Usage = field(factory=Usage)
    failure: str | None = None
    fault: ProviderFault | None = None
    resets_at: float | None = None
    unknown_lines: int = 0

    def describe(self) -> str:
        """How it ended, in words for a person: one line, the rest of a sentence that begins with a name."""
        words = self.process.describe()
        if not self.failure:
            return words
        return f"{words}: {' '.join(self.failure.split())[:500]}"


async def run_agent(
    runner: Runner,
    harness: Harness,
    request: AgentRequest,
    run: AgentRun,
    *,
    stop: trio.Event | None = None,
    started: Callable[[int], None] | None = None,
    on_event: Callable[[HarnessEvent], None] | None = None,
) -> AgentOutcome:
    """Run an agent to its end. What it does wrong is told by the outcome, never raised.

    `stop`, `started` and cancellation are as for `ProcessRunner.run`; `on_event` hears each event.
    """
    command = harness.command(request, run.env)
    env = {name: value for name, value in run.env.items() if name not in command.unset} | dict(command.env)
    spec = ProcessSpec(
        run_id=run.run_id,
        argv=command.argv,
        cwd=request.cwd,
        env=env,
        stdin=command.stdin,
        log=run.log,
        log_limit_bytes=run.log_limit_bytes,
        secrets=run.secrets,
        hard_timeout_seconds=run.hard_timeout_seconds,
        no_output_timeout_seconds=run.no_output_timeout_seconds,
        stop_grace_seconds=run.stop_grace_seconds,
        record=run.record,
        stderr_is_activity=harness.stderr_is_activity,
    )
    listener = _Listener(harness, on_event)
    process = await runner.run(spec, on_line=listener.take, stop=stop, started=started)
    transcript = listener.transcript
    last_message = None
    if process.kind is not OutcomeKind.COULD_NOT_START:
        last_message = _read_last_message(request.last_message, run.secrets)
        if last_message is None and transcript.last_message:
            last_message = transcript.last_message
            _write_last_message(request.last_message, last_message)
    return AgentOutcome(
        process=process,
        last_message=last_message,
        session=transcript.session,
        usage=transcript.usage,
        failure=transcript.failure,
        fault=transcript.fault or (transcript.waits_for if process.kind is OutcomeKind.NO_OUTPUT else None),
        resets_at=transcript.resets_at,
        unknown_lines=transcript.unknown_lines,
    )


@define
class _Listener:
    """Reads lines as a harness does, and survives what a harness does not expect."""

    harness: Harness
    on_event: Callable[[HarnessEvent], None] | None
    transcript: Transcript = field(factory=Transcript)

    def take(self, line: bytes) -> Activity:
        try:
            events = self.harness.parse(line)
        except Exception as error:  # one bad line must not end a run of hours
            events = (Unknown(type(error).__name__),)
        if self.on_event is not None:
            for event in events:
                self.on_event(event)
        return self.transcript.take(events)


def _write_last_message(path: Path, text: str) -> None:
    """For a CLI that has no such file. The lines that it came from are masked already.

    What is in the file's place stays: an agent may have put it there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(OSError), open(os.open(path, flags, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(f"{text}\n".encode("utf-8", "replace"))


def _read_last_message(path: Path, secrets: tuple[str, ...]) -> str | None:
    """What the CLI wrote, masked; the file is masked too. None when it wrote nothing.

    The agent can put anything there, so only a plain file of one name is read, up to a limit, and written.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(fd)
        return None
    masked = b""
    with suppress(OSError), open(fd, "r+b") as file:  # noqa: PTH123 - it is a descriptor
        content = file.read(MAX_MESSAGE_BYTES)
        masked = mask(secrets, content)
        if masked != content:
            file.seek(0)
            file.truncate()
            file.write(masked)
    return masked.decode("utf-8", "replace").strip() or None
