"""Agents as child processes behind a harness: the real `AgentRunner`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import trio
from attrs import define, field

from scriptorium.actors.world import AgentJob, Role, SubmitToRun, stop_grace_seconds
from scriptorium.code.repository import Project
from scriptorium.config import AgentConfig, Config
from scriptorium.harness.environment import McpAccess, RunPlace, agent_environment, secrets_of
from scriptorium.harness.interface import (
    AgentOutcome,
    AgentRequest,
    AgentRun,
    Harness,
    last_message_path,
    run_agent,
)
from scriptorium.harness.process import OutcomeKind, ProcessOutcome, RunFacts, Runner
from scriptorium.harness.registry import harness_for
from scriptorium.harness.version import Versions
from scriptorium.runtime import ActorStopped
from scriptorium.server import SubmitAnswer, Tokens

RUN_IS_OVER = SubmitAnswer(accepted=False, message="This run is over; nothing was submitted.")


def _say_nothing(_words: str) -> None:
    """For a program that asks for no news."""


@define(eq=False)
class ProcessAgents:
    """Starts each agent through the process runner, and leads its submissions to whoever started it.

    `say` is told what an operator may want to know of the agents' programs.
    """

    project: Project
    config: Config
    runner: Runner
    tokens: Tokens = field(factory=Tokens)
    environment: Mapping[str, str] = field(factory=lambda: dict(os.environ))
    mcp_url: str | None = None
    say: Callable[[str], None] = field(default=_say_nothing, kw_only=True)
    _harnesses: Mapping[Role, Harness] = field(init=False)
    _submits: dict[str, SubmitToRun] = field(factory=dict, init=False)
    _versions: Versions = field(init=False)

    @_versions.default
    def _know_no_version(self) -> Versions:
        return Versions(self.runner, self.say)

    @_harnesses.default
    def _find_harnesses(self) -> Mapping[Role, Harness]:
        settings = {role: self.settings(role) for role in Role}
        return {role: harness_for(agent.harness, agent.model) for role, agent in settings.items()}

    def settings(self, role: Role) -> AgentConfig:
        """The config of a role."""
        match role:
            case Role.ARCHITECT:
                return self.config.agents.architect
            case Role.MANAGER:
                return self.config.agents.manager
            case Role.CODING:
                return self.config.agents.coding

    def harness_name(self, role: Role) -> str:
        """The name of the harness that runs this role."""
        return self._harnesses[role].name

    def model(self, role: Role) -> str | None:
        """The model that the config names for this role."""
        return self.settings(role).model

    async def submit(self, run_id: str, summary: str) -> SubmitAnswer:
        """What the MCP server calls: the submission of the run that the caller's token stands for."""
        submit = self._submits.get(run_id)
        if submit is None:
            return RUN_IS_OVER
        try:
            return await submit(summary)
        except ActorStopped:
            return RUN_IS_OVER

    async def run(self, job: AgentJob, *, submit: SubmitToRun | None, stop: trio.Event) -> AgentOutcome:
        """See `AgentRunner`. The token lives exactly as long as the run."""
        mcp = None
        if submit is not None and self.mcp_url is not None:
            mcp = McpAccess(self.mcp_url, self.tokens.issue(job.run_id))
            self._submits[job.run_id] = submit
        try:
            return await self._run(job, mcp, stop)
        finally:
            self._submits.pop(job.run_id, None)
            self.tokens.revoke(job.run_id)

    async def _run(self, job: AgentJob, mcp: McpAccess | None, stop: trio.Event) -> AgentOutcome:
        settings, harness = self.settings(job.role), self._harnesses[job.role]
        env = agent_environment(
            self.environment,
            role=job.role.value,
            place=RunPlace(job.run_id, self.project.root, program_folder(), job.ticket, job.area),
            mcp=mcp,
            pass_on=settings.env,
        )
        run = AgentRun(
            run_id=job.run_id,
            env=env,
            log=job.log,
            hard_timeout_seconds=settings.hard_timeout_seconds,
            no_output_timeout_seconds=settings.no_output_timeout_seconds,
            stop_grace_seconds=stop_grace_seconds(self.config),
            secrets=secrets_of(self.environment, env),
            record=_facts(job, harness),
        )
        request = self._request(job, settings, mcp)
        refusal = await self._versions.refusal(harness, request, run, stop=stop)
        if refusal is not None:
            return AgentOutcome(ProcessOutcome(OutcomeKind.COULD_NOT_START, error=refusal))
        return await run_agent(self.runner, harness, request, run, stop=stop)

    def _request(self, job: AgentJob, settings: AgentConfig, mcp: McpAccess | None) -> AgentRequest:
        return AgentRequest(
            role=job.role.value,
            prompt=job.prompt,
            cwd=job.cwd,
            last_message=last_message_path(job.log),
            model=settings.model,
            reasoning_effort=settings.reasoning_effort,
            command=self._placed(settings.command),
            args=settings.args,
            mcp_url=mcp.url if mcp is not None else None,
            resume=job.resume,
            operator_tools=settings.operator_tools,
        )

    def _placed(self, command: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """A program with a relative path is the repository's own: an agent works in another folder."""
        if not command or "/" not in command[0]:
            return command
        return (str(self.project.root / command[0]), *command[1:])


def _facts(job: AgentJob, harness: Harness) -> RunFacts:
    return RunFacts(
        role=job.role.value,
        ticket=job.ticket,
        area=job.area,
        branch=job.branch,
        worktree=str(job.cwd) if job.ticket is not None else None,
        harness=harness.name,
        attempt=job.attempt,
    )


def program_folder() -> Path:
    """The folder of the `scriptorium` program, so that an agent finds `scriptorium submit`."""
    return Path(sys.executable).parent
