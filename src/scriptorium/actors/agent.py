"""An Agent: runs the attempts of one in-progress ticket until it submits, gives up, or is stopped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import assert_never

import trio

from scriptorium.actors.assignment import queued_tickets
from scriptorium.actors.attempt import Attempt, Session
from scriptorium.actors.attempts import (
    AwaitProvider,
    Ending,
    Finish,
    GiveUp,
    NextStep,
    Park,
    Retry,
    classify,
    lifetime_used_up,
    must_park,
    next_step,
)
from scriptorium.actors.by_hand import taken_away
from scriptorium.actors.coding_prompt import coding_prompt, guides_in
from scriptorium.actors.crew import Place
from scriptorium.actors.events import AttemptOver, AttemptStarted, Parked, Reopened, Trouble
from scriptorium.actors.findings import find_out
from scriptorium.actors.logs import next_log
from scriptorium.actors.messages import AgentMessage, AttemptEnded, Submit
from scriptorium.actors.provider import note_provider, note_start_of_coding
from scriptorium.actors.run_notes import attempts_used_up, infrastructure_failed, lifetime_over, run_note
from scriptorium.actors.submitting import pin_rest, submit
from scriptorium.actors.world import AgentJob, Role, World
from scriptorium.code.worktrees import Prepared, prepare_worktree
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.notes import ReopenNote, RunNote
from scriptorium.plan.snapshot import TicketFile
from scriptorium.plan.transitions import ParkTicket, PreconditionFailed, RecordRun, ReopenTicket
from scriptorium.runtime import Actor, Context
from scriptorium.server import SubmitAnswer

AFTER_SUBMISSION_SECONDS = 60.0
"""How long an agent may take to end after an accepted submission (contract *MCP*)."""


class Agent(Actor[AgentMessage]):
    """Holds one ticket from its assignment, or its continuation, to the end of the last process.

    The Assigner has taken the place and the ticket for it; the session gives both back, whatever happens,
    once no process is left.
    """

    def __init__(self, world: World, ticket: TicketId, place: Place) -> None:
        self._world = world
        self._id = ticket
        self._place = place
        self._attempt: Attempt | None = None
        self._faults_in_a_row = 0
        self._session = Session(self._harness)
        self._cut_short = ""

    async def on_start(self, context: Context[AgentMessage]) -> None:
        """Begin the session in the incarnation's nursery."""
        context.nursery.start_soon(self._work, context)

    async def handle(self, message: AgentMessage) -> SubmitAnswer | NextStep:
        """Answer a submission at once, or settle an attempt that has ended."""
        match message:
            case Submit():
                return await self._submit(message)
            case AttemptEnded():
                return await self._settle(message.outcome)
            case _:
                assert_never(message)

    # ---- one attempt after the other

    async def _work(self, context: Context[AgentMessage]) -> None:
        world = self._world
        try:
            while not world.stopping.is_set() and (attempt := await self._prepare()) is not None:
                self._attempt = attempt
                outcome = await self._run(context, attempt)
                step = await context.ref.ask(AttemptEnded(attempt.job.run_id, outcome))
                self._attempt = None
                if not await self._goes_on(step):
                    break
        finally:
            self._place.release()
            world.crew.let_go(self._id)
        context.stop()

    async def _goes_on(self, step: NextStep) -> bool:
        """Wait as `step` says, without a place: a place belongs to a live process. False when it is over."""
        world = self._world
        match step:
            case Finish() | GiveUp() | Park():
                return False
            case Retry(wait_seconds=0.0):
                return True
            case Retry(seconds):
                self._place.release()
                with trio.move_on_after(seconds):
                    await world.stopping.wait()
            case AwaitProvider():
                self._place.release()
            case _:
                assert_never(step)
        place = await world.crew.place(self._harness, unless=world.stopping)
        if place is not None:
            self._place = place
        return place is not None

    @property
    def _harness(self) -> str:
        return self._world.agents.harness_name(Role.CODING)

    async def _prepare(self) -> Attempt | None:
        """Make the worktree and the prompt. None when there is nothing to do for this ticket any more."""
        world = self._world
        view = await world.look()
        file = view.snapshot.tickets.get(self._id)
        if file is None or file.state is not TicketState.IN_PROGRESS or view.tip is None:
            return None
        if self._id in queued_tickets(view.snapshot) or not view.can_tell(Role.CODING):
            return None
        used_up = lifetime_used_up(file.ticket.spent, world.config)
        if used_up is not None:
            await self._commit_end(file, lifetime_over(used_up), parks=True)
            return None
        prepared, guides, number, log = await world.offload(partial(self._make_ready, file, view.tip))
        if prepared.mended is not None:
            world.events.publish(Trouble(f"{self._id}: {prepared.mended}"))
        area = view.snapshot.areas.get(file.ticket.area)
        job = AgentJob(
            role=Role.CODING,
            run_id=world.new_run_id(),
            prompt=coding_prompt(
                view.prompts,
                file,
                area,
                prepared,
                guides=guides,
                config=world.config,
                cut_short=self._cut_short,
            ),
            cwd=prepared.path,
            log=log,
            attempt=number,
            ticket=file.id,
            branch=prepared.branch,
            resume=self._session.name,
        )
        return Attempt(job, prepared, world.timestamp(), trio.current_time())

    def _make_ready(self, file: TicketFile, tip: Oid) -> tuple[Prepared, Sequence[str], int, Path]:
        """The worktree, the project's guides in it, and the number and the log of the attempt."""
        project = self._world.project
        prepared = prepare_worktree(project, file.id, file.slug, tip, merge_base=True)
        floor = max((note.attempt for note in file.ticket.runs), default=0)
        number, log = next_log(project.logs_dir, file.id, floor)
        self._session.find(file.ticket, number, log)
        return prepared, guides_in(prepared.path), number, log

    async def _run(self, context: Context[AgentMessage], attempt: Attempt) -> AgentOutcome:
        world = self._world

        async def hand_in(summary: str) -> SubmitAnswer:
            return await context.ref.ask(Submit(attempt.job.run_id, summary))

        world.events.publish(
            AttemptStarted(self._id, attempt.job.attempt, world.agents.harness_name(Role.CODING))
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_in_time, attempt)
            outcome = await world.agents.run(attempt.job, submit=hand_in, stop=attempt.stop)
            nursery.cancel_scope.cancel()
        return outcome

    async def _stop_in_time(self, attempt: Attempt) -> None:
        """Ask the agent to end when the service stops, when it goes on too long after its submission, or
        when a person has moved its ticket."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._after_submission, attempt)
            nursery.start_soon(self._until_taken_away, attempt)
            await self._world.stopping.wait()
            attempt.stop.set()
            nursery.cancel_scope.cancel()

    async def _until_taken_away(self, attempt: Attempt) -> None:
        await taken_away(self._world, self._id)
        attempt.stop.set()

    async def _after_submission(self, attempt: Attempt) -> None:
        await attempt.submitted.wait()
        with trio.move_on_after(AFTER_SUBMISSION_SECONDS):
            await trio.sleep_forever()
        attempt.stop.set()

    async def _submit(self, message: Submit) -> SubmitAnswer:
        attempt = self._attempt
        if attempt is None or attempt.job.run_id != message.run_id:
            return SubmitAnswer(accepted=False, message="This run is over; nothing was submitted.")
        return await submit(self._world, self._id, attempt, message.summary)

    # ---- the end of an attempt

    async def _settle(self, outcome: AgentOutcome) -> NextStep:
        """Pin what would be lost, write the run down, and decide what follows."""
        world, attempt = self._world, self._attempt
        if attempt is None:
            return Finish()
        ending = classify(outcome, submitted=attempt.accepted is not None)
        note = await self._note(attempt, outcome, ending)
        if ending is not Ending.INFRASTRUCTURE_FAULT:  # that has told the agent nothing, and undone nothing
            self._cut_short = "" if note is not None else outcome.describe()
        self._faults_in_a_row = self._faults_in_a_row + 1 if ending is Ending.INFRASTRUCTURE_FAULT else 0
        detail = _detail(world, attempt, outcome, ending)
        world.events.publish(AttemptOver(self._id, attempt.job.attempt, ending.value, detail))
        note_start_of_coding(world, outcome)
        if ending not in {Ending.STOPPED, Ending.INFRASTRUCTURE_FAULT}:
            note_provider(world, self._harness, str(self._id), outcome)
        file = (await world.look()).snapshot.tickets.get(self._id)
        if file is None or file.state is not TicketState.IN_PROGRESS:
            return Finish()
        if note is not None:
            try:
                file = (await world.plan.commit(RecordRun(self._id, note))).tickets[self._id]
            except PreconditionFailed:
                return Finish()  # just now a person moved the ticket, or made it unreadable
        step = next_step(
            ending,
            counted=file.ticket.counted_attempts,
            max_attempts=world.config.agents.coding.max_attempts,
            faults_in_a_row=self._faults_in_a_row,
        )
        await self._hand_back(file, step, outcome)
        return step

    async def _note(self, attempt: Attempt, outcome: AgentOutcome, ending: Ending) -> RunNote | None:
        """What is written down of a run, with its rest pinned; None when the agent has done nothing."""
        world = self._world
        tip = (await world.look()).tip
        unsubmitted = await pin_rest(world, self._id, attempt, tip)
        used = self._session.follow(attempt.job, outcome, ending)
        if ending is Ending.INFRASTRUCTURE_FAULT or (ending is Ending.PROVIDER_FAULT and not used.any):
            return None
        findings = ""
        if ending is Ending.NO_SUBMISSION:
            findings = await find_out(world, self._id, attempt.job, tip)
        return run_note(
            world,
            attempt.job,
            outcome,
            ending,
            started=attempt.started,
            used=used,
            unsubmitted=unsubmitted,
            findings=findings,
        )

    async def _hand_back(self, file: TicketFile, step: NextStep, outcome: AgentOutcome) -> None:
        match step:
            case Finish() | Retry() | AwaitProvider():
                return
            case GiveUp():
                parks = must_park(file.ticket.reopen_count, self._world.config.max_reopens)
                await self._commit_end(file, attempts_used_up(step.counted, outcome), parks=parks)
            case Park():
                await self._commit_end(file, infrastructure_failed(step.faults, outcome), parks=True)
            case _:
                assert_never(step)

    async def _commit_end(self, file: TicketFile, note: ReopenNote, *, parks: bool) -> None:
        try:
            await self._world.plan.commit(ParkTicket(file.id, note) if parks else ReopenTicket(file.id, note))
        except PreconditionFailed:
            return  # somebody moved the ticket by hand: the plan branch says what is
        event = Parked(file.id, note.detail) if parks else Reopened(file.id, note.detail)
        self._world.events.publish(event)


def _detail(world: World, attempt: Attempt, outcome: AgentOutcome, ending: Ending) -> str:
    """How a run ended, in more words than its ending has; empty when there are none."""
    if ending.counts:
        words = ending.value if ending is Ending.NO_SUBMISSION else outcome.describe()
        return f"{words}, see {attempt.job.log.relative_to(world.project.root)}"
    return "" if ending is Ending.SUBMITTED else outcome.describe()
