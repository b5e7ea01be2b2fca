"""One run of a planner (the architect, the manager of an area, a planning session) in a scratch folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import trio
from attrs import frozen

from scriptorium.actors.attempts import Ending, classify
from scriptorium.actors.events import PlannerStarted
from scriptorium.actors.logs import next_log
from scriptorium.actors.world import AgentJob, AgentRunner, Role
from scriptorium.code.repository import Project
from scriptorium.code.scratch import Returned, Scratch, discard, export, read_back
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.ids import AreaName, Oid
from scriptorium.runtime import EventStream, Offload

_NOTHING = Returned(frozenset(), {}, frozenset(), frozenset(), ())
_OVERFULL = "left more files in its working directory than can be read: write nothing but what is asked for"


@frozen
class PlannerRun:
    """What to run: the role, the plan commit that is exported for it, the prompt, the number of the try."""

    role: Role
    commit: Oid
    prompt: str
    attempt: int
    area: AreaName | None = None

    @property
    def log_name(self) -> str:
        """The folder of its logs. A manager's carries the area; no ticket id looks like either."""
        return self.role.value if self.area is None else f"{self.role.value}-{self.area}"


@frozen
class PlannerAttempt:
    """What came of it. `failure` is empty when the run ended well; `stopped` when scriptorium ended it."""

    returned: Returned
    outcome: AgentOutcome | None
    failure: str = ""
    stopped: bool = False

    @property
    def failed(self) -> bool:
        """Whether what it left must not be used."""
        return bool(self.failure)

    @property
    def could_not_start(self) -> bool:
        """Whether the fault is the machine's and not the planner's: no program, no memory, a full disk."""
        return self._ending is Ending.INFRASTRUCTURE_FAULT

    @property
    def let_down(self) -> bool:
        """Whether the fault is the provider's of its model."""
        return self._ending is Ending.PROVIDER_FAULT

    @property
    def not_its_fault(self) -> bool:
        """Whether the try does not count."""
        return self.could_not_start or self.let_down

    @property
    def _ending(self) -> Ending | None:
        return None if self.outcome is None else classify(self.outcome, submitted=False)


class PlannerSeams(Protocol):
    """What a planner's run needs of its surroundings; a `World` has it."""

    @property
    def project(self) -> Project:
        """The repository."""
        ...

    @property
    def agents(self) -> AgentRunner:
        """Starts the planner."""
        ...

    @property
    def offload(self) -> Offload:
        """Where files are written and read."""
        ...

    @property
    def events(self) -> EventStream:
        """Is told of the start."""
        ...

    @property
    def new_run_id(self) -> Callable[[], str]:
        """Names the run."""
        ...

    @property
    def scratch_dir(self) -> Path:
        """Where the scratch folder is made."""
        ...


async def run_planner(world: PlannerSeams, run: PlannerRun, *, stop: trio.Event) -> PlannerAttempt:
    """Run a planner to its end and read back what it wrote.

    `stop` ends it early. Cancelled, its processes are gone and the scratch folder is removed now or by the
    next start.
    """
    run_id = world.new_run_id()
    root = world.scratch_dir / run_id
    try:
        scratch = await world.offload(partial(export, world.project.git_dir, run.commit, root))
        return await _in_scratch(world, run, run_id, scratch, stop)
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            await world.offload(partial(discard, root))


async def _in_scratch(
    world: PlannerSeams, run: PlannerRun, run_id: str, scratch: Scratch, stop: trio.Event
) -> PlannerAttempt:
    number, log = await world.offload(partial(next_log, world.project.logs_dir, run.log_name))
    world.events.publish(PlannerStarted(run.area, run.attempt))
    job = AgentJob(
        role=run.role,
        run_id=run_id,
        prompt=run.prompt,
        cwd=scratch.root,
        log=log,
        attempt=number,
        area=run.area,
    )
    outcome = await world.agents.run(job, submit=None, stop=stop)
    match classify(outcome, submitted=False):
        case Ending.STOPPED:
            return PlannerAttempt(_NOTHING, outcome, stopped=True)
        case Ending.NO_SUBMISSION | Ending.SUBMITTED:
            returned = await world.offload(partial(read_back, scratch))
            return PlannerAttempt(returned, outcome, failure=_OVERFULL if returned.overfull else "")
        case Ending.AGENT_FAULT | Ending.INFRASTRUCTURE_FAULT | Ending.PROVIDER_FAULT:
            return PlannerAttempt(_NOTHING, outcome, failure=outcome.describe())
