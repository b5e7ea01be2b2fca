"""The seams and the shared facts that the actors are given: nothing here decides anything.

Git, processes, wall time and randomness are reached only through a World, so that a test or an embedding
program can put others in their place.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from random import Random
from typing import Protocol

import pygit2
import trio
from attrs import define, field, frozen

from scriptorium.actors.crew import Crew
from scriptorium.actors.events import Trouble
from scriptorium.actors.health import Conditions, Health, HealthState
from scriptorium.actors.news import News
from scriptorium.actors.remote_link import RemoteBranch
from scriptorium.actors.watcher import TICK_SECONDS
from scriptorium.code.evidence import Verdict
from scriptorium.code.prompt_files import prompts_at, said_of
from scriptorium.code.repository import Project, branch_tip
from scriptorium.config import Config
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.ids import AreaName, Oid, TicketId
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.store import PlanStore
from scriptorium.prompts import BUILT_IN, Prompts
from scriptorium.runtime import EventStream, Offload, in_thread_unattended
from scriptorium.server import SubmitAnswer

STOP_GRACE_LIMIT_SECONDS = 10.0
"""Of the 15 s of the contract *Signals*, at most this is for the agents; the rest is for everybody else."""


PROMPTS = "prompts"
"""What `Conditions` call them."""


def stop_grace_seconds(config: Config) -> float:
    """How long an agent may take to end: as configured, but never so long that there is no time to pin."""
    return min(config.stop_grace_seconds, STOP_GRACE_LIMIT_SECONDS)


class Role(Enum):
    """What an agent process is for; the value is `SCRIPTORIUM_ROLE`."""

    ARCHITECT = "architect"
    MANAGER = "manager"
    CODING = "coding"


@frozen
class AgentJob:
    """One process of an agent: everything that is told to it, and where its output goes."""

    role: Role
    run_id: str
    prompt: str
    cwd: Path
    log: Path
    attempt: int
    ticket: TicketId | None = None
    area: AreaName | None = None
    branch: str | None = None
    resume: str | None = None


SubmitToRun = Callable[[str], Awaitable[SubmitAnswer]]
"""Takes the summary of a submission of one run; answers as the MCP tool does."""


class AgentRunner(Protocol):
    """Starts agents. The real one starts processes; an embedded one may be a function."""

    def harness_name(self, role: Role) -> str:
        """The name of the harness that runs this role."""
        ...

    def model(self, role: Role) -> str | None:
        """The model that the config names for this role, None for the harness's own default."""
        ...

    async def run(self, job: AgentJob, *, submit: SubmitToRun | None, stop: trio.Event) -> AgentOutcome:
        """Run one agent to its end.

        When `stop` is set it is asked to end, and made to after a grace. On return, and when cancelled,
        no process of the run is left and its token is dead. Never raises for what the agent does.
        """
        ...


@frozen
class NoVerdict:
    """The checks could not be run to an answer: not the tree's fault, and not stored."""

    reason: str


class Checks(Protocol):
    """Runs the checks."""

    def key(self, tree: Oid) -> str:
        """What is checked on this tree; verdicts are kept by tree and key."""
        ...

    async def run(self, tree: Oid, folder: Path, subject: str) -> Verdict | NoVerdict:
        """Run the checks once in a folder that holds exactly this tree. Cancelled, nothing is left running.

        `subject` names what is checked, for the log: a ticket id or `base`.
        """
        ...


@frozen
class View:
    """What a decision is made from: one snapshot, the base branch's tip, and what is known of it.

    `prompts` are those of the tip.
    """

    snapshot: Snapshot
    tip: Oid | None
    health: Health
    generation: int
    prompts: Prompts = BUILT_IN

    @property
    def seen(self) -> tuple[Oid, Oid | None]:
        """Where the two refs were."""
        return (self.snapshot.commit, self.tip)

    @property
    def base_is_green(self) -> bool:
        """Whether work may go on."""
        return self.health.state is HealthState.GREEN

    def can_tell(self, role: Role) -> bool:
        """Whether there is a prompt for an agent of this role: a repository's own may have a fault."""
        return self.prompts.fault_of(role.value) is None


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def rfc3339(time: datetime) -> str:
    """A UTC time as RFC 3339, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def new_run_id() -> str:
    """An id that no run on this machine had before: 128 random bits."""
    return secrets.token_hex(16)


@define(eq=False)
class World:
    """Seams and shared facts of one running service."""

    project: Project
    config: Config
    branch: str
    plan: PlanStore
    agents: AgentRunner
    checks: Checks
    offload: Offload
    news: News
    crew: Crew
    conditions: Conditions
    events: EventStream
    background: Offload = in_thread_unattended
    remote: RemoteBranch | None = None
    now: Callable[[], datetime] = utc_now
    new_run_id: Callable[[], str] = new_run_id
    watch_seconds: float = TICK_SECONDS
    random: Random = field(factory=Random)
    stopping: trio.Event = field(factory=trio.Event)
    rechecks: int = 0
    """How often a person has asked for a base branch that is not green to be checked again at once."""
    _tip: Oid | None = field(default=None, init=False)
    _tip_is_known: bool = field(default=False, init=False)
    _prompts: tuple[Oid | None, Prompts] = field(default=(None, BUILT_IN), init=False)

    @property
    def scratch_dir(self) -> Path:
        """The planners' scratch folders; whatever is in it at start-up is left over and goes."""
        return self.project.state_dir / "scratch"

    async def look(self, *, afresh: bool = False) -> View:
        """What is, as far as this process knows: what it did itself, and what the watcher saw others do.

        That costs nothing. `afresh` asks git, and publishes what is new: for what must not be a second old.
        The generation is taken first, so that news while reading counts as new.
        """
        generation = self.news.generation
        snapshot = self.plan.latest
        if afresh or snapshot is None or not self._tip_is_known:
            snapshot = await self.plan.read()
            self.base_is_at(await self.offload(self.read_tip))
        tip = self._tip
        prompts = await self._prompts_of(tip)
        return View(snapshot, tip, self.conditions.health.of(tip), generation, prompts)

    async def _prompts_of(self, tip: Oid | None) -> Prompts:
        """Read once for each tip, and only where prompts are configured. A fault is said, and halts the work
        that would be told with it until a landing mends it."""
        if self.config.prompts is None:
            return BUILT_IN
        known, prompts = self._prompts
        if known != tip:
            prompts = await self.offload(partial(self._read_prompts, tip))
            self._prompts = (tip, prompts)
            said = said_of(prompts)
            if said is not None and said != self.conditions.halted.get(PROMPTS):
                self.events.publish(Trouble(f"the {PROMPTS} {said}"))
            self.conditions.set_halted(PROMPTS, said)
        return prompts

    def _read_prompts(self, tip: Oid | None) -> Prompts:
        repo = pygit2.Repository(str(self.project.git_dir))
        return prompts_at(repo, self.branch, tip, self.config.prompts)

    def base_is_at(self, tip: Oid | None) -> None:
        """The base branch was found, or brought, there."""
        self._tip_is_known = True
        if tip != self._tip:
            self._tip = tip
            self.news.publish()

    def recheck(self) -> None:
        """Have a base branch that is not green, and what could not be checked, checked now, not when due."""
        self.rechecks += 1
        self.news.publish()

    def read_tip(self) -> Oid | None:
        """The base branch's tip, from git."""
        return branch_tip(pygit2.Repository(str(self.project.git_dir)), self.branch)

    def timestamp(self) -> str:
        """The time as RFC 3339 in UTC, whole seconds."""
        return rfc3339(self.now())
