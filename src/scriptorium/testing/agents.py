"""Agents that are functions in this process, behind the seam that real agents are behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import define, field

from scriptorium.actors.world import AgentJob, Role, SubmitToRun
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind, ProcessOutcome

Work = Callable[[AgentJob, SubmitToRun | None], Awaitable[AgentOutcome]]
"""Does a job in its folder, may submit, and says how the run ended (see `ended`)."""


def ended(
    kind: OutcomeKind = OutcomeKind.EXITED, *, message: str | None = None, failure: str | None = None
) -> AgentOutcome:
    """The outcome of a run that ended in this way."""
    code = {OutcomeKind.EXITED: 0, OutcomeKind.FAILED: 1}.get(kind)
    return AgentOutcome(ProcessOutcome(kind, exit_code=code), last_message=message, failure=failure)


@define(eq=False)
class FunctionAgents:
    """An `AgentRunner` that calls a function for each job, and remembers the jobs.

    When asked to stop it cancels the function, as the end of a process would.
    """

    work: Work
    jobs: list[AgentJob] = field(factory=list)

    def harness_name(self, role: Role) -> str:
        """There is one harness."""
        return "function"

    def model(self, role: Role) -> str | None:
        """There is no model."""
        return None

    async def run(self, job: AgentJob, *, submit: SubmitToRun | None, stop: trio.Event) -> AgentOutcome:
        """See `AgentRunner`."""
        self.jobs.append(job)
        outcome = ended(OutcomeKind.STOPPED)
        async with trio.open_nursery() as nursery:

            async def work() -> None:
                nonlocal outcome
                outcome = await self.work(job, submit)
                nursery.cancel_scope.cancel()

            nursery.start_soon(work)
            await stop.wait()
            nursery.cancel_scope.cancel()
        return outcome
