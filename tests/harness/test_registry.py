"""The table of harnesses, the `command` harness, and the suite that every harness passes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from scriptorium import config_rules
from scriptorium.harness.command import CommandHarness, NoCommandError
from scriptorium.harness.events import HarnessEvent, Message, Transcript
from scriptorium.harness.interface import AgentOutcome, AgentRequest, AgentRun, Command, Harness, run_agent
from scriptorium.harness.process import OutcomeKind, ProcessRunner
from scriptorium.harness.refusing import RefusingRunner, default_runner, refuse_all
from scriptorium.harness.registry import HARNESSES, harness_for, route

from .worlds import new_run_id

# ---------------------------------------------------------------- which one


@pytest.mark.req("V1-00d")
@pytest.mark.parametrize(
    ("model", "name"),
    [
        (None, "codex"),
        ("gpt-5", "codex"),
        ("codex-mini", "codex"),
        ("claude-sonnet-4", "claude-code"),
        ("gpt5", "typoi"),
        ("qwen-3", "typoi"),
        ("", "typoi"),
    ],
)
def test_a_model_leads_to_a_harness(model: str | None, name: str) -> None:
    assert route(model) == name


def test_a_harness_is_found_by_name_before_model() -> None:
    assert harness_for("command", "gpt-5").name == "command"
    assert harness_for(None, "gpt-5").name == "codex"
    assert harness_for(None).name == "codex"
    assert harness_for(None, "claude-x").name == "claude-code"
    assert harness_for(None, "some-other").name == "typoi"


def test_the_config_knows_just_these() -> None:
    assert set(HARNESSES) == set(config_rules.HARNESSES)


# ---------------------------------------------------------------- what every harness does

harnesses = pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)


def request_in(folder: Path, *command: str, prompt: str = "Do it.") -> AgentRequest:
    return AgentRequest(
        role="coding", prompt=prompt, cwd=folder, last_message=folder / "last.md", command=command or None
    )


async def run(folder: Path, harness: Harness, shell: str, *, prompt: str = "Do it.") -> AgentOutcome:
    """Run a shell script as the program of a harness: whatever the arguments, it reads its prompt."""
    run = AgentRun(
        run_id=new_run_id(),
        env={"PATH": os.environ["PATH"]},
        log=folder / "logs" / "1.jsonl",
        hard_timeout_seconds=60.0,
    )
    runner = ProcessRunner(folder / "runs", durable=False)
    return await run_agent(runner, harness, request_in(folder, "/bin/sh", "-c", shell, prompt=prompt), run)


@harnesses
async def test_the_prompt_comes_on_standard_input_and_the_output_is_logged(
    tmp_path: Path, harness: Harness
) -> None:
    outcome = await run(tmp_path, harness, "cat")
    assert outcome.process.kind is OutcomeKind.EXITED
    assert (tmp_path / "logs" / "1.jsonl").read_text() == "Do it."


@harnesses
async def test_the_last_message_is_the_file_s_when_there_is_one(tmp_path: Path, harness: Harness) -> None:
    outcome = await run(tmp_path, harness, f"cat >/dev/null; echo '  I did it.  ' > {tmp_path}/last.md")
    assert outcome.last_message == "I did it."


@pytest.mark.req("CA-05")
async def test_a_last_message_that_the_program_only_printed_is_put_into_the_file(tmp_path: Path) -> None:
    outcome = await run(tmp_path, CommandHarness(), "echo first; echo 'I did it.'")
    assert outcome.last_message == "I did it."
    assert (tmp_path / "last.md").read_text() == "I did it.\n"


async def test_what_an_agent_put_in_the_file_s_place_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "last.md").symlink_to(tmp_path / "elsewhere")
    outcome = await run(tmp_path, CommandHarness(), "echo hello")
    assert outcome.last_message == "hello"
    assert not (tmp_path / "elsewhere").exists()


@harnesses
async def test_a_failure_is_told_in_one_line(tmp_path: Path, harness: Harness) -> None:
    outcome = await run(tmp_path, harness, "exit 4")
    assert outcome.describe() == "failed with exit code 4"
    assert "\n" not in AgentOutcome(outcome.process, failure="a\nb\r\n c").describe()


@harnesses
@given(line=st.binary(max_size=200))
def test_any_line_can_be_parsed(harness: Harness, line: bytes) -> None:
    Transcript().take(harness.parse(line))


@harnesses
def test_the_arguments_follow_the_command(harness: Harness) -> None:
    request = AgentRequest("coding", "x", Path("/w"), Path("/l"), command=("a", "b"), args=("c",))
    assert harness.command(request, {}).argv[:3] == ("a", "b", "c")


# ---------------------------------------------------------------- command


async def test_the_last_line_is_the_answer(tmp_path: Path) -> None:
    outcome = await run(tmp_path, CommandHarness(), "echo one; echo; echo ' two '; echo")
    assert outcome.last_message == "two"
    assert outcome.unknown_lines == 0


def test_a_line_that_is_no_text_is_shown_as_well_as_can_be() -> None:
    assert CommandHarness().parse(b"a\xffb") == (Message("a�b"),)


def test_without_a_command_there_is_nothing_to_start(tmp_path: Path) -> None:
    with pytest.raises(NoCommandError, match=r"needs agents\.coding\.command"):
        CommandHarness().command(request_in(tmp_path), {})


# ---------------------------------------------------------------- a harness with a bug


@frozen
class BuggyHarness:
    """Raises for every line, and wants a changed environment."""

    name: str = "buggy"
    stderr_is_activity: bool = True

    def command(self, request: AgentRequest, env: Mapping[str, str]) -> Command:
        return Command(request.command or (), stdin=b"", env={"ADDED": "1"}, unset=("PATH",))

    def parse(self, line: bytes) -> tuple[HarnessEvent, ...]:
        raise LookupError(line)


async def test_a_harness_that_raises_ends_no_run(tmp_path: Path) -> None:
    outcome = await run(tmp_path, BuggyHarness(), "echo one; echo two")
    assert outcome.process.kind is OutcomeKind.EXITED
    assert outcome.unknown_lines == 2


async def test_a_harness_adds_to_the_environment_and_takes_away(tmp_path: Path) -> None:
    await run(tmp_path, BuggyHarness(), "/usr/bin/env | /usr/bin/sort")
    names = [line.split("=")[0] for line in (tmp_path / "logs" / "1.jsonl").read_text().splitlines()]
    assert "ADDED" in names
    assert "SCRIPTORIUM_RUN" in names
    assert "PATH" not in names


# ---------------------------------------------------------------- refusing


async def test_within_refuse_all_the_default_runner_does_nothing(tmp_path: Path) -> None:
    with refuse_all() as outer:
        with refuse_all() as inner:
            assert default_runner(tmp_path) is inner
        assert default_runner(tmp_path) is outer
        runner = RefusingRunner()
        assert await runner.kill_run("x") == 0
        assert await runner.sweep_dead_service() == ()
        runner.kill_all_now()
    assert isinstance(default_runner(tmp_path), ProcessRunner)
