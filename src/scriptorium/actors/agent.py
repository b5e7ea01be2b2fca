"""An Agent: runs the attempts of one in-progress ticket until it submits, gives up, or is stopped."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import assert_never

import trio
from attrs import define, field

from scriptorium.actors.assignment import queued_tickets
from scriptorium.actors.attempts import (
    Ending,
    Finish,
    GiveUp,
    NextStep,
    Park,
    Retry,
    classify,
    must_park,
    next_step,
)
from scriptorium.actors.coding_prompt import coding_prompt
from scriptorium.actors.crew import Place
from scriptorium.actors.events import AttemptOver, AttemptStarted, Parked, Reopened, Submitted
from scriptorium.actors.logs import next_log
from scriptorium.actors.messages import AgentMessage, AttemptEnded, Submit
from scriptorium.actors.run_notes import attempts_used_up, infrastructure_failed, run_note
from scriptorium.actors.together import together
from scriptorium.actors.world import AgentJob, Role, World
from scriptorium.code.capture import (
    Captured,
    SubmissionRefused,
    advance_branch,
    capture,
    follow_branch,
    snapshot_work,
)
from scriptorium.code.pins import pin_submitted, pin_work
from scriptorium.code.repository import opened
from scriptorium.code.worktrees import Prepared, prepare_worktree
from scriptorium.harness.events import Usage
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.repository import PlanBusy
from scriptorium.plan.snapshot import TicketFile
from scriptorium.plan.transitions import Enqueue, ParkTicket, PreconditionFailed, RecordRun, ReopenTicket
from scriptorium.runtime import Actor, Context
from scriptorium.server import SubmitAnswer

AFTER_SUBMISSION_SECONDS = 60.0
"""How long an agent may take to end after an accepted submission (contract *MCP*)."""


@define
class _Attempt:
    """The run under way: its id, worktree, and the submission that was accepted from it, if any."""

    job: AgentJob
    prepared: Prepared
    started: str
    began: float
    accepted: Captured | None = None
    submitted: trio.Event = field(factory=trio.Event)
    stop: trio.Event = field(factory=trio.Event)


class Agent(Actor[AgentMessage]):
    """Holds one ticket from its assignment, or its continuation, to the end of the last process.

    The Assigner has taken the place and the ticket for it; the session gives both back, whatever happens,
    once no process is left.
    """

    def __init__(self, world: World, ticket: TicketId, place: Place) -> None:
        self._world = world
        self._id = ticket
        self._place = place
        self._attempt: _Attempt | None = None
        self._faults_in_a_row = 0
        self._session_id: str | None = None
        self._session_usage = Usage()

    async def on_start(self, context: Context[AgentMessage]) -> None:
        """Begin the session in the incarnation's nursery."""
        context.nursery.start_soon(self._session, context)

    async def handle(self, message: AgentMessage) -> SubmitAnswer | NextStep:
        """Answer a submission at once, or settle an attempt that has ended."""
        match message:
            case Submit():
                return await self._submit(message)
            case AttemptEnded():
                return await self._settle(message.outcome)
            case _:
                assert_never(message)

    # ---- the session: one attempt after the other

    async def _session(self, context: Context[AgentMessage]) -> None:
        world = self._world
        try:
            while not world.stopping.is_set() and (attempt := await self._prepare()) is not None:
                self._attempt = attempt
                outcome = await self._run(context, attempt)
                step = await context.ref.ask(AttemptEnded(attempt.job.run_id, outcome))
                self._attempt = None
                if not isinstance(step, Retry):
                    break
                await self._wait(step.wait_seconds)
        finally:
            self._place.release()
            world.crew.let_go(self._id)
        context.stop()

    async def _wait(self, seconds: float) -> None:
        """Wait out a fault without a place: a place belongs to a live process."""
        if seconds <= 0:
            return
        self._place.release()
        with trio.move_on_after(seconds):
            await self._world.stopping.wait()
        self._place = await self._world.crew.place()

    async def _prepare(self) -> _Attempt | None:
        """Make the worktree and the prompt. None when there is nothing to do for this ticket any more."""
        world = self._world
        view = await world.look()
        file = view.snapshot.tickets.get(self._id)
        if file is None or file.state is not TicketState.IN_PROGRESS or view.tip is None:
            return None
        if self._id in queued_tickets(view.snapshot):
            return None
        prepared, number, log = await world.offload(partial(self._make_ready, file, view.tip))
        area = view.snapshot.areas.get(file.ticket.area)
        job = AgentJob(
            role=Role.CODING,
            run_id=world.new_run_id(),
            prompt=coding_prompt(file, area, prepared, world.config),
            cwd=prepared.path,
            log=log,
            attempt=number,
            ticket=file.id,
            branch=prepared.branch,
            resume=self._session_id,
        )
        return _Attempt(job, prepared, world.timestamp(), trio.current_time())

    def _make_ready(self, file: TicketFile, tip: Oid) -> tuple[Prepared, int, Path]:
        """The worktree, and the number and the log of the attempt."""
        project = self._world.project
        prepared = prepare_worktree(project, file.id, file.slug, tip, merge_base=True)
        floor = max((note.attempt for note in file.ticket.runs), default=0)
        return prepared, *next_log(project.logs_dir, file.id, floor)

    async def _run(self, context: Context[AgentMessage], attempt: _Attempt) -> AgentOutcome:
        world = self._world

        async def submit(summary: str) -> SubmitAnswer:
            return await context.ref.ask(Submit(attempt.job.run_id, summary))

        world.events.publish(
            AttemptStarted(self._id, attempt.job.attempt, world.agents.harness_name(Role.CODING))
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_in_time, attempt)
            outcome = await world.agents.run(attempt.job, submit=submit, stop=attempt.stop)
            nursery.cancel_scope.cancel()
        return outcome

    async def _stop_in_time(self, attempt: _Attempt) -> None:
        """Ask the agent to end when the service stops, or when it goes on too long after its submission."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._after_submission, attempt)
            await self._world.stopping.wait()
            attempt.stop.set()
            nursery.cancel_scope.cancel()

    async def _after_submission(self, attempt: _Attempt) -> None:
        await attempt.submitted.wait()
        with trio.move_on_after(AFTER_SUBMISSION_SECONDS):
            await trio.sleep_forever()
        attempt.stop.set()

    # ---- submissions

    async def _submit(self, message: Submit) -> SubmitAnswer:
        """Accept what the worktree holds, or say what the agent has to mend.

        Pinned first, then the branch, then the queue entry: a crash before the entry leaves an attempt
        without a submission, whose work is pinned; after it, a submission that the queue takes up.
        """
        attempt = self._attempt
        if attempt is None or attempt.job.run_id != message.run_id:
            return SubmitAnswer(accepted=False, message="This run is over; nothing was submitted.")
        try:
            tip = (await self._world.look()).tip
            captured = await self._world.offload(partial(self._capture, attempt, tip))
            if captured is not attempt.accepted:
                await self._enqueue(attempt, captured, message.summary)
        except (SubmissionRefused, PreconditionFailed) as refused:
            return SubmitAnswer(accepted=False, message=f"Not submitted: {refused}")
        except PlanBusy as busy:
            return SubmitAnswer(accepted=False, message=f"Not submitted: {busy}. Call submit_pr again.")
        return SubmitAnswer(
            accepted=True,
            message=(
                f"Submitted ticket {self._id} at {captured.commit[:10]}. The checks run after you have "
                "ended; if something is wrong, the ticket comes back with the reason. "
                "You are finished: end now."
            ),
        )

    def _capture(self, attempt: _Attempt, tip: Oid | None) -> Captured:
        """What the worktree holds, pinned and on the ticket's branch; or the submission that it is again."""
        if tip is None:
            raise SubmissionRefused(f"the base branch {self._world.branch} has no commit any more")
        project = opened(self._world.project)
        captured = capture(project, attempt.prepared.path, self._id, tip)
        if attempt.accepted is not None and captured.tree == attempt.accepted.tree:
            return attempt.accepted
        pin_submitted(project.repo, self._id, captured.commit)
        advance_branch(project, self._id, captured.commit)
        return captured

    async def _enqueue(self, attempt: _Attempt, captured: Captured, summary: str) -> None:
        transition = Enqueue(self._id, attempt.prepared.branch, captured.commit, summary)
        follow = partial(follow_branch, self._world.project, self._id, captured.commit)
        await together(partial(self._world.offload, follow), partial(self._world.plan.commit, transition))
        attempt.accepted = captured
        attempt.submitted.set()
        self._world.events.publish(Submitted(self._id, captured.commit))

    # ---- the end of an attempt

    async def _settle(self, outcome: AgentOutcome) -> NextStep:
        """Pin what would be lost, write the run down, and decide what follows."""
        world, attempt = self._world, self._attempt
        if attempt is None:
            return Finish()
        ending = classify(outcome, submitted=attempt.accepted is not None)
        tip = (await world.look()).tip
        unsubmitted = await world.offload(partial(self._pin_rest, attempt, tip))
        used = self._follow_session(attempt, outcome, ending)
        self._faults_in_a_row = self._faults_in_a_row + 1 if ending is Ending.INFRASTRUCTURE_FAULT else 0
        detail = ""
        if ending.counts:
            words = ending.value if ending is Ending.NO_SUBMISSION else outcome.describe()
            detail = f"{words}, see {attempt.job.log.relative_to(world.project.root)}"
        elif ending is not Ending.SUBMITTED:
            detail = outcome.describe()
        world.events.publish(AttemptOver(self._id, attempt.job.attempt, ending.value, detail))
        file = (await world.look()).snapshot.tickets.get(self._id)
        if file is None or file.state is not TicketState.IN_PROGRESS:
            return Finish()
        if ending is not Ending.INFRASTRUCTURE_FAULT:
            note = run_note(
                world,
                attempt.job,
                outcome,
                ending,
                started=attempt.started,
                used=used,
                unsubmitted=unsubmitted,
            )
            file = (await world.plan.commit(RecordRun(self._id, note))).tickets[self._id]
        step = next_step(
            ending,
            counted=file.ticket.counted_attempts,
            max_attempts=world.config.agents.coding.max_attempts,
            faults_in_a_row=self._faults_in_a_row,
        )
        await self._hand_back(file, step, outcome)
        return step

    def _follow_session(self, attempt: _Attempt, outcome: AgentOutcome, ending: Ending) -> Usage:
        """Remember the session to resume; returns what this run used of it, earlier runs not counted."""
        if ending is Ending.INFRASTRUCTURE_FAULT:
            return outcome.usage  # it has not begun: the session is as it was
        resumed = attempt.job.resume is not None and attempt.job.resume == outcome.session
        used = outcome.usage.since(self._session_usage) if resumed else outcome.usage
        self._session_id, self._session_usage = outcome.session, outcome.usage
        return used

    def _pin_rest(self, attempt: _Attempt, tip: Oid | None) -> tuple[str, ...]:
        """Pin what the worktree holds beyond the submission; names the files that were not submitted."""
        project = opened(self._world.project)
        rest = snapshot_work(project, attempt.prepared.path, self._id, base=tip)
        if rest is None or (attempt.accepted is not None and rest.tree == attempt.accepted.tree):
            return ()
        pin_work(project.repo, self._id, rest.commit)
        return rest.files if attempt.accepted is not None else ()

    async def _hand_back(self, file: TicketFile, step: NextStep, outcome: AgentOutcome) -> None:
        match step:
            case Finish() | Retry():
                return
            case GiveUp():
                note = attempts_used_up(step.counted, outcome)
                parks = must_park(file.ticket.reopen_count, self._world.config.max_reopens)
            case Park():
                note, parks = infrastructure_failed(step.faults, outcome), True
            case _:
                assert_never(step)
        try:
            await self._world.plan.commit(ParkTicket(file.id, note) if parks else ReopenTicket(file.id, note))
        except PreconditionFailed:
            return  # somebody moved the ticket by hand: the plan branch says what is
        event = Parked(file.id, note.detail) if parks else Reopened(file.id, note.detail)
        self._world.events.publish(event)
