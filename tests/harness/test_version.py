"""The version of an agent CLI: asked for once, refused when too old, used when nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from scriptorium.harness.claude_code import ClaudeCodeHarness
from scriptorium.harness.codex import OLDEST_SUPPORTED, CodexHarness
from scriptorium.harness.command import CommandHarness
from scriptorium.harness.environment import MCP_TOKEN, MCP_URL
from scriptorium.harness.interface import AgentRequest, AgentRun, Harness
from scriptorium.harness.process import OutcomeKind, ProcessOutcome, ProcessSpec, Runner
from scriptorium.harness.registry import HARNESSES
from scriptorium.harness.version import Versioned, VersionNumber, Versions

NEW = b"codex-cli 0.163.0\n"
OLD = b"codex-cli 0.50.2\n"


@define
class Printer:
    """A runner whose processes print the next of these texts, take a second, and end as they are told."""

    said: list[bytes]
    kind: OutcomeKind = OutcomeKind.EXITED
    started: list[ProcessSpec] = field(factory=list)

    async def run(self, spec: ProcessSpec, **_more: object) -> ProcessOutcome:
        self.started.append(spec)
        await trio.sleep(1)
        return ProcessOutcome(self.kind, exit_code=0, tail=self.said.pop(0))


@define
class Desk:
    """Asks for the version as a service does before each run."""

    runner: Printer
    told: list[str] = field(factory=list)
    versions: Versions = field(init=False)

    @versions.default
    def _versions(self) -> Versions:
        return Versions(cast(Runner, self.runner), self.told.append)

    async def refusal(self, harness: Harness, command: tuple[str, ...] = ("codex",)) -> str | None:
        folder = Path("/somewhere")
        request = AgentRequest("coding", "Do it.", folder, folder / "last.md", command=command)
        env = {"PATH": "/bin", MCP_TOKEN: "a-token", MCP_URL: "http://127.0.0.1:1"}
        return await self.versions.refusal(harness, request, AgentRun("run-1", env, folder / "1.jsonl", 60.0))


@pytest.fixture
def desk(autojump_clock: MockClock) -> Callable[..., Desk]:
    return lambda *said, **how: Desk(Printer(list(said), **how))


@pytest.mark.parametrize(
    ("harness", "said", "version"),
    [
        (CodexHarness(), "codex-cli 0.163.0\n", (0, 163, 0)),
        (CodexHarness(), "WARNING: no PATH aliases\ncodex-cli 0.99.1-alpha.3\n", (0, 99, 1)),
        (CodexHarness(), "codex-cli 0.0.0\n", None),
        (CodexHarness(), "my wrapper of codex-cli 0.1.0\n", None),
        (CodexHarness(), "codex-cli 99999999999.0.0\n", None),
        (CodexHarness(), "", None),
        (ClaudeCodeHarness(), "2.1.330 (Claude Code)\n", (2, 1, 330)),
        (ClaudeCodeHarness(), "2.1.330\n", None),
    ],
)
def test_a_version_is_read_or_it_is_not(harness: Versioned, said: str, version: VersionNumber | None) -> None:
    assert harness.supported.version_in(said) == version


def test_the_oldest_supported_is_supported_and_the_one_before_is_not() -> None:
    supported = CodexHarness().supported
    assert supported.refusal(OLDEST_SUPPORTED) is None
    assert supported.refusal((0, 98, 999)) is not None
    assert supported.refusal((1, 0, 0)) is None


async def test_it_is_asked_once_however_many_start_at_once_and_without_the_token(
    desk: Callable[..., Desk],
) -> None:
    asks = desk(NEW)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(asks.refusal, CodexHarness())
    assert await asks.refusal(CodexHarness()) is None
    (spec,) = asks.runner.started
    assert (spec.argv, spec.stdin, dict(spec.env)) == (("codex", "--version"), b"", {"PATH": "/bin"})
    assert spec.run_id != "run-1"
    assert asks.told == []


async def test_one_that_is_too_old_is_refused_until_it_is_updated(desk: Callable[..., Desk]) -> None:
    asks = desk(OLD, OLD, NEW)
    refusal = await asks.refusal(CodexHarness())
    assert refusal is not None
    for part in ("codex 0.50.2 is too old", "0.99.0 is the oldest supported", "npm install -g @openai/codex"):
        assert part in refusal
    assert await asks.refusal(CodexHarness()) == refusal
    assert await asks.refusal(CodexHarness()) is None
    assert await asks.refusal(CodexHarness()) is None
    assert len(asks.runner.started) == 3


@pytest.mark.parametrize("kind", [OutcomeKind.EXITED, OutcomeKind.FAILED, OutcomeKind.HARD_TIMEOUT])
async def test_what_nobody_can_read_is_said_once_and_used(
    desk: Callable[..., Desk], kind: OutcomeKind
) -> None:
    asks = desk(b"Welcome to\nmy wrapper\n" if kind is OutcomeKind.EXITED else OLD, kind=kind)
    assert await asks.refusal(CodexHarness(), ("/opt/wrap", "codex")) is None
    assert await asks.refusal(CodexHarness(), ("/opt/wrap", "codex")) is None
    (told,) = asks.told
    assert "the version of codex cannot be read" in told
    assert "/opt/wrap codex --version" in told


@pytest.mark.parametrize("kind", [OutcomeKind.COULD_NOT_START, OutcomeKind.STOPPED])
async def test_what_did_not_run_has_said_nothing(desk: Callable[..., Desk], kind: OutcomeKind) -> None:
    asks = desk(b"", OLD, kind=kind)
    assert await asks.refusal(CodexHarness()) is None
    asks.runner.kind = OutcomeKind.EXITED
    assert "too old" in str(await asks.refusal(CodexHarness()))
    assert asks.told == []


async def test_a_program_of_the_operator_s_own_is_not_asked(desk: Callable[..., Desk]) -> None:
    asks = desk()
    assert await asks.refusal(CommandHarness(), ("my-agent",)) is None
    assert asks.runner.started == []
    versioned = {name for name, harness in HARNESSES.items() if isinstance(harness, Versioned)}
    assert versioned == {"codex", "claude-code"}
