"""What is asked of the process runner, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final, assert_never

from attrs import field, frozen
from attrs.validators import min_len

from scriptorium.harness.records import RunFacts, check_run_id

DEFAULT_LOG_LIMIT_BYTES: Final = 256 * 1024 * 1024
"""`logLimit`: a run that talks without end fills no disk."""

TAIL_BYTES: Final = 16 * 1024
"""What of the end of the output is kept in memory for notes."""

LINE_LIMIT_BYTES: Final = 1024 * 1024
"""Longer lines are passed on cut to this; the rest goes to the log alone."""


def _checked_run_id(_spec: object, _attribute: object, value: str) -> None:
    check_run_id(value)


@frozen
class ProcessSpec:
    """One process to run: an agent or a check.

    `run_id` must be unique on the machine, not only in this repository: by it processes are killed.
    `env` is the whole environment, to which only the run's mark is added. `stdin` is fed while the output
    is read. Standard output goes to `log`, standard error to `<log>.stderr`, or to `log` too when
    `merge_stderr`; neither may exist already. `secrets` of eight bytes or more are masked wherever the
    output goes. The no-output clock (None: none) pauses while the agent has a tool call open; standard
    error feeds it only if `stderr_is_activity`. `record` is what others may want to know of the run; with
    `syncs_record` it survives a power cut, which no process does.
    """

    run_id: str = field(validator=_checked_run_id)
    argv: tuple[str, ...] = field(validator=min_len(1))
    cwd: Path
    env: Mapping[str, str]
    log: Path
    hard_timeout_seconds: float
    stdin: bytes = field(default=b"", repr=False)
    log_limit_bytes: int = DEFAULT_LOG_LIMIT_BYTES
    secrets: tuple[str, ...] = field(default=(), repr=False)
    no_output_timeout_seconds: float | None = None
    stop_grace_seconds: float = 5.0
    record: RunFacts = field(factory=RunFacts)
    merge_stderr: bool = False
    stderr_is_activity: bool = True
    syncs_record: bool = True

    @property
    def stderr_log(self) -> Path:
        """Where standard error goes when it is not merged. Made at the first byte."""
        return self.log.with_name(self.log.name + ".stderr")


class OutcomeKind(Enum):
    """How a run ended. Whatever scriptorium did itself has a kind of its own."""

    EXITED = "exited"
    """By itself, with exit code 0."""
    FAILED = "failed"
    """By itself, with another exit code."""
    SIGNALED = "signaled"
    """By a signal that scriptorium did not send."""
    NO_OUTPUT = "no-output"
    HARD_TIMEOUT = "hard-timeout"
    STOPPED = "stopped"
    """Asked to stop, or killed, by scriptorium."""
    COULD_NOT_START = "could-not-start"


@frozen
class ProcessOutcome:
    """How a run ended, with its facts.

    `exit_code` or `signal` of the first process, as far as there was one (also after a timeout or a stop);
    `error` says in words why it could not start. `tail` is the end of both outputs as they came, and
    `stderr_tail` that of standard error alone, secrets masked. `truncated`: the logs lack output (limit,
    disk, or a stranger that held the pipe), and `log_error` says what went wrong with the disk.
    `killed` counts the processes that had to be killed; `all_gone` is False when some could not be.
    """

    kind: OutcomeKind
    exit_code: int | None = None
    signal: int | None = None
    error: str | None = None
    duration_seconds: float = 0.0
    tail: bytes = field(default=b"", repr=False)
    stderr_tail: bytes = field(default=b"", repr=False)
    truncated: bool = False
    log_error: str | None = None
    killed: int = 0
    all_gone: bool = True

    def describe(self) -> str:
        """How it ended, in words for a person: the rest of a sentence that begins with the name."""
        match self.kind:
            case OutcomeKind.EXITED:
                words = "ended with exit code 0"
            case OutcomeKind.FAILED:
                words = f"failed with exit code {self.exit_code}"
            case OutcomeKind.SIGNALED:
                words = f"was killed by signal {self.signal}"
            case OutcomeKind.NO_OUTPUT:
                words = "gave no output for too long and was stopped"
            case OutcomeKind.HARD_TIMEOUT:
                words = "reached its time limit and was stopped"
            case OutcomeKind.STOPPED:
                words = "was stopped"
            case OutcomeKind.COULD_NOT_START:
                words = f"could not start: {self.error}"
            case _:
                assert_never(self.kind)
        return words


@frozen
class Activity:
    """What a line of output means to the no-output clock.

    `open_calls` tool calls of the agent are running: while there are any, silence is normal. A line with
    `progress` False (a heartbeat, "reconnecting…") does not count as output.
    """

    open_calls: int = 0
    progress: bool = True
