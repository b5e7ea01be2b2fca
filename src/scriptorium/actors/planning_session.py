"""Writing the spec with an agent: one answer of a planning session, committed when it changed the spec."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import field, frozen

from scriptorium.actors.instance import single_instance
from scriptorium.actors.planner_run import PlannerAttempt, PlannerRun, run_planner
from scriptorium.actors.process_agents import ProcessAgents
from scriptorium.actors.world import AgentRunner, Role, new_run_id
from scriptorium.code.prompt_files import prompts_at
from scriptorium.code.repository import (
    Project,
    RepositoryProblem,
    base_branch,
    branch_tip,
    ensure_state_dir,
    open_repository,
)
from scriptorium.code.scratch import discard_all
from scriptorium.config import Config
from scriptorium.harness.refusing import default_runner
from scriptorium.plan.refs import RefError, enable_fsync
from scriptorium.plan.repository import PlanBusy, PlanRepository
from scriptorium.plan.transitions import PreconditionFailed, UpdateSpec
from scriptorium.prompts import Prompts, PromptUnusable, fenced
from scriptorium.runtime import EventStream, Offload, in_thread

SPEC = "spec.md"
EXCHANGES_TOLD = 10
EXCHANGE_CHARACTERS = 2_000
"""The spec carries what matters; of the talk, this much is repeated to the agent."""


class PlanningFailed(Exception):
    """The planning agent gave nothing that can be used; the text says why. The spec is as it was."""


@frozen
class Exchange:
    """What the person said and what the agent answered."""

    request: str
    answer: str


@frozen
class Answer:
    """The agent's last message, whether the spec changed, and what else it touched, which was discarded."""

    message: str
    changed: bool
    discarded: tuple[str, ...]


@frozen(eq=False)
class Desk:
    """The surroundings of a planning session; it runs beside `run`, with folders of its own."""

    project: Project
    config: Config
    plan: PlanRepository
    agents: AgentRunner
    offload: Offload = in_thread
    events: EventStream = field(factory=EventStream)
    new_run_id: Callable[[], str] = new_run_id

    @property
    def scratch_dir(self) -> Path:
        """Not the service's: its start clears that away."""
        return planning_dir(self.project) / "scratch"

    def read_prompts(self) -> Prompts:
        """Those of the base branch as it is now. Raises `RepositoryProblem` when it has none to read."""
        if self.config.prompts is None:
            return Prompts()
        repo = open_repository(self.project)
        branch = base_branch(repo, self.config.base_branch)
        return prompts_at(repo, branch, branch_tip(repo, branch), self.config.prompts)


def planning_dir(project: Project) -> Path:
    """What a planning session keeps while it is open."""
    return project.state_dir / "planning"


@asynccontextmanager
async def open_desk(project: Project, config: Config) -> AsyncIterator[Desk]:
    """A planning session, one at a time in a repository. Raises `AlreadyRunning`.

    What an earlier session that was killed left running is ended first.
    """
    enable_fsync()
    ensure_state_dir(project)
    folder = planning_dir(project)
    folder.mkdir(exist_ok=True, mode=0o700)
    async with single_instance(folder / "lock", "a planning session"):
        runner = default_runner(folder / "runs")
        await runner.sweep_dead_service()
        await in_thread(partial(discard_all, folder / "scratch"))
        yield Desk(project, config, PlanRepository(project.git_dir), ProcessAgents(project, config, runner))


async def ask_planner(desk: Desk, request: str, talk: Sequence[Exchange], stop: trio.Event) -> Answer | None:
    """Have the agent change the spec as the request says, and commit it if it did. None when stopped.

    Raises `PlanningFailed`. Cancelled, the agent is gone and the spec is as it was, or committed.
    """
    before = await desk.offload(desk.plan.read)
    try:
        prompts = await desk.offload(desk.read_prompts)
        prompt = prompts.render("planning", request=request, conversation=_conversation(talk))
    except (RepositoryProblem, PromptUnusable) as error:
        raise PlanningFailed(f"the prompt for the agent cannot be used: {error}") from error
    attempt = await run_planner(desk, PlannerRun(Role.ARCHITECT, before.commit, prompt, 1), stop=stop)
    if attempt.stopped:
        return None
    if attempt.failed:
        raise PlanningFailed(attempt.failure)
    spec = _spec(attempt)
    changed = SPEC in attempt.returned.changed
    if changed:
        replaces = before.spec.oid if before.spec is not None else None
        update = UpdateSpec(spec, from_architect=True, replaces=replaces)
        try:
            await desk.offload(partial(desk.plan.commit, update))
        except (PreconditionFailed, PlanBusy, RefError) as error:
            raise PlanningFailed(f"the agent's spec was not committed: {error}; ask again") from error
    others = attempt.returned.changed | attempt.returned.removed | set(attempt.returned.odd)
    message = attempt.outcome.last_message if attempt.outcome is not None else ""
    return Answer(message or "", changed, tuple(sorted(others - {SPEC})))


def _spec(attempt: PlannerAttempt) -> str:
    try:
        spec = attempt.returned.files[SPEC].decode()
    except KeyError:
        raise PlanningFailed("the agent left no readable spec.md") from None
    except UnicodeDecodeError:
        raise PlanningFailed("the agent left a spec.md that is not UTF-8 text") from None
    if not spec.strip():
        raise PlanningFailed("the agent left an empty spec.md")
    return spec


def _conversation(talk: Sequence[Exchange]) -> str:
    if not talk:
        return ""
    told = "\n\n".join(
        f"The person:\n\n{fenced(exchange.request, EXCHANGE_CHARACTERS)}\n\n"
        f"You:\n\n{fenced(exchange.answer, EXCHANGE_CHARACTERS)}"
        for exchange in talk[-EXCHANGES_TOLD:]
    )
    return f"## What was said before\n\n{told}\n"
