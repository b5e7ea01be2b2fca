"""Agents as real processes: what they get, and whose submission it is."""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

import pytest
import trio
from attrs import evolve

from scriptorium.actors.process_agents import RUN_IS_OVER, ProcessAgents
from scriptorium.actors.world import AgentJob, Role
from scriptorium.config import AgentConfig, Agents, Config
from scriptorium.harness.process import ProcessRunner
from scriptorium.harness.spec import OutcomeKind
from scriptorium.plan.ids import AreaName, TicketId
from scriptorium.server import SubmitAnswer

from .stage import Stage

SAYS_ALL = """
import json, os, sys
told = {"argv": sys.argv[1:], "env": dict(os.environ), "stdin": sys.stdin.read(), "cwd": os.getcwd()}
open(sys.argv[1], "w").write(json.dumps(told))
"""


def agents_of(stage: Stage, program: str, *args: str, env: dict[str, str] | None = None) -> ProcessAgents:
    """Every role is this Python program."""
    command = (sys.executable, "-S", "-c", program)
    agent = AgentConfig(harness="command", command=command, args=args, env=("NAMED",))
    config = Config(agents=Agents(agent, agent, agent), stop_grace_seconds=0.2)
    runner = ProcessRunner(stage.project.state_dir / "runs", durable=False)
    service = {"PATH": os.environ["PATH"], **(env or {})}
    made = ProcessAgents(stage.project, config, runner, environment=service)
    made.mcp_url = "http://127.0.0.1:1/mcp"
    return made


# Processes are found by the id of their run, on the whole machine.
RUN, FIRST, SECOND = (f"run-{secrets.token_hex(8)}" for _ in range(3))


def job(stage: Stage, role: Role, run_id: str = RUN) -> AgentJob:
    """A job as each role's actor makes it."""
    log = stage.project.logs_dir / run_id / "1.jsonl"
    log.parent.mkdir(parents=True)
    made = AgentJob(role, run_id, "Do this.\n", stage.root, log, 1)
    match role:
        case Role.ARCHITECT:
            return made
        case Role.MANAGER:
            return evolve(made, area=AreaName("core"))
        case Role.CODING:
            return evolve(made, ticket=TicketId("0001"), branch="scriptorium/ticket-0001")


async def refuse(summary: str) -> SubmitAnswer:
    raise AssertionError(summary)


@pytest.mark.slow
@pytest.mark.req("V1-08", "V1-20")
@pytest.mark.parametrize("role", Role)
async def test_a_child_gets_its_prompt_its_folder_and_its_environment(
    stage: Stage, tmp_path: Path, role: Role
) -> None:
    told_in = tmp_path / "told.json"
    keys = {
        "OPENAI_API_KEY": "openai-key",
        "NAMED": "yes",
        "OTHER": "no",
        "SCRIPTORIUM_MCP_TOKEN": "not this one",
    }
    agents = agents_of(stage, SAYS_ALL, str(told_in), "--more", env={"HOME": "/home/me", **keys})
    submit = refuse if role is Role.CODING else None
    outcome = await agents.run(job(stage, role), submit=submit, stop=trio.Event())
    assert outcome.process.kind is OutcomeKind.EXITED, outcome
    told = json.loads(told_in.read_text())
    assert told["argv"] == [str(told_in), "--more"]
    assert (told["stdin"], told["cwd"]) == ("Do this.\n", str(stage.root))
    env = told["env"]
    for name in ("LC_CTYPE", "PATH"):
        env.pop(name, None)
    expected = {
        "HOME": "/home/me", "OPENAI_API_KEY": "openai-key", "NAMED": "yes",
        "SCRIPTORIUM_ROLE": role.value, "SCRIPTORIUM_RUN": RUN, "SCRIPTORIUM_REPO": str(stage.root),
    }  # fmt: skip
    if role is Role.MANAGER:
        expected["SCRIPTORIUM_AREA"] = "core"
    if role is Role.CODING:
        assert env.pop("SCRIPTORIUM_MCP_TOKEN") not in {"", "not this one"}
        expected |= {"SCRIPTORIUM_TICKET": "0001", "SCRIPTORIUM_MCP_URL": "http://127.0.0.1:1/mcp"}
    assert env == expected


@pytest.mark.slow
@pytest.mark.req("V1-21")
async def test_a_token_is_of_its_own_run_and_dies_with_it(stage: Stage, tmp_path: Path) -> None:
    """Two at once: each token leads to its own run's submissions; afterwards both lead nowhere."""
    agents = agents_of(stage, SAYS_ALL + "open(sys.argv[1] + '.up', 'w'); import signal; signal.pause()", "x")
    tokens: dict[str, str] = {}
    got: list[tuple[str, str]] = []
    stop = trio.Event()

    async def one(run_id: str) -> None:
        async def submit(summary: str) -> SubmitAnswer:
            got.append((run_id, summary))
            return SubmitAnswer(accepted=True, message=run_id)

        settings = agents.config.agents.coding
        told_in = tmp_path / run_id
        mine = evolve(agents.config, agents=Agents(coding=evolve(settings, args=(str(told_in),))))
        theirs = ProcessAgents(
            stage.project, mine, agents.runner, agents.tokens, agents.environment, agents.mcp_url
        )
        shared[run_id] = theirs
        outcome = await theirs.run(job(stage, Role.CODING, run_id), submit=submit, stop=stop)
        assert outcome.process.kind is OutcomeKind.STOPPED

    shared: dict[str, ProcessAgents] = {}
    for run_id in (FIRST, SECOND):
        os.mkfifo(tmp_path / f"{run_id}.up")  # opening it waits for the other side
    async with trio.open_nursery() as nursery:
        for run_id in (FIRST, SECOND):
            nursery.start_soon(one, run_id)
        with trio.fail_after(20):
            for run_id in (FIRST, SECOND):
                is_up = (tmp_path / f"{run_id}.up").read_bytes
                await trio.to_thread.run_sync(is_up, abandon_on_cancel=True)
        for run_id in (FIRST, SECOND):
            tokens[run_id] = json.loads((tmp_path / run_id).read_text())["env"]["SCRIPTORIUM_MCP_TOKEN"]
            assert agents.tokens.caller(tokens[run_id]) == run_id
            answer = await shared[run_id].submit(run_id, f"by {run_id}")
            assert answer == SubmitAnswer(accepted=True, message=run_id)
        stop.set()
    assert got == [(FIRST, f"by {FIRST}"), (SECOND, f"by {SECOND}")]
    for run_id, token in tokens.items():
        assert agents.tokens.caller(token) is None
        assert await shared[run_id].submit(run_id, "late") == RUN_IS_OVER


@pytest.mark.slow
async def test_a_relative_program_is_the_repository_s_own_wherever_the_agent_works(
    stage: Stage, tmp_path: Path
) -> None:
    program = stage.root / "tools" / "my agent"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\npwd\n")
    program.chmod(0o755)
    agents = agents_of(stage, "")
    architect = evolve(agents.settings(Role.ARCHITECT), command=("./tools/my agent",), args=())
    agents.config = evolve(agents.config, agents=Agents(architect=architect))
    elsewhere = evolve(job(stage, Role.ARCHITECT), cwd=tmp_path)
    outcome = await agents.run(elsewhere, submit=None, stop=trio.Event())
    assert outcome.last_message == str(tmp_path)


@pytest.mark.req("V1-00d")
def test_each_role_has_its_harness_and_model(stage: Stage) -> None:
    agents = Agents(manager=AgentConfig(model="gpt-5"), coding=AgentConfig(harness="command", command=("x",)))
    made = ProcessAgents(
        stage.project, Config(agents=agents), ProcessRunner(stage.project.state_dir / "runs")
    )
    assert [made.harness_name(role) for role in Role] == ["codex", "codex", "command"]
    assert [made.model(role) for role in Role] == [None, "gpt-5", None]


@pytest.mark.slow
@pytest.mark.req("CA-08")
async def test_a_cli_that_is_too_old_is_not_started_and_one_that_is_not_is_asked_once(
    stage: Stage, tmp_path: Path
) -> None:
    program, calls, version = tmp_path / "codex", tmp_path / "calls", tmp_path / "version"
    program.write_text(
        f'#!/bin/sh\necho "$SCRIPTORIUM_MCP_TOKEN $*" >> {calls}\n'
        f'[ "$*" = --version ] && cat {version}; exit 0\n'
    )
    program.chmod(0o755)
    version.write_text("codex-cli 0.50.2\n")
    agent = AgentConfig(harness="codex", command=(str(program),))
    said: list[str] = []
    runner = ProcessRunner(stage.project.state_dir / "runs", durable=False)
    config = Config(agents=Agents(agent, agent, agent))
    agents = ProcessAgents(
        stage.project, config, runner, environment={"PATH": "/bin:/usr/bin"}, say=said.append
    )
    agents.mcp_url = "http://127.0.0.1:1/mcp"
    ids = [f"run-{secrets.token_hex(8)}" for _ in range(3)]
    outcome = await agents.run(job(stage, Role.CODING, ids[0]), submit=refuse, stop=trio.Event())
    assert outcome.process.kind is OutcomeKind.COULD_NOT_START
    assert "could not start: codex 0.50.2 is too old" in outcome.describe()
    assert calls.read_text() == " --version\n"  # nothing was started with a prompt, nor with a token
    version.write_text("codex-cli 0.163.0\n")
    for run_id in ids[1:]:
        outcome = await agents.run(job(stage, Role.CODING, run_id), submit=refuse, stop=trio.Event())
        assert outcome.process.kind is OutcomeKind.EXITED, outcome
    assert [line.endswith(" --version") for line in calls.read_text().splitlines()] == [
        True,
        True,
        False,
        False,
    ]
    left = [path.name for run_id in ids for path in (stage.project.logs_dir / run_id).iterdir()]
    assert sorted(set(left)) == ["1.jsonl"]
    assert said == []
