"""The Assigner: gives open tickets to agents, keeps every in-progress ticket staffed, and tidies up."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Protocol

import pygit2

from scriptorium.actors.agent import Agent
from scriptorium.actors.assignment import (
    Assign,
    Assignment,
    Continue,
    Staffing,
    decide_assignments,
    queued_tickets,
)
from scriptorium.actors.crew import Place
from scriptorium.actors.events import Parked, TicketAssigned, Trouble
from scriptorium.actors.health import HealthState
from scriptorium.actors.messages import AgentMessage
from scriptorium.actors.reconciler import Reconciler
from scriptorium.actors.run_notes import scriptorium_failed
from scriptorium.actors.strikes import LIMIT, Strikes
from scriptorium.actors.tidying import decide_tidying
from scriptorium.actors.world import Role, View, World
from scriptorium.code.landing import tidy_branch
from scriptorium.code.pins import ticket_branches
from scriptorium.code.repository import opened
from scriptorium.code.worktrees import (
    WorktreeRow,
    list_worktrees,
    remove_worktree,
    retire_worktree,
    ticket_branch,
    ticket_worktree,
)
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.refs import RefError
from scriptorium.plan.snapshot import TicketFile
from scriptorium.plan.transitions import AssignTicket, ParkTicket, PreconditionFailed
from scriptorium.runtime import ChildSpec, Ref, Restart

AGENT_STOP_GRACE_SECONDS = 2.0

_GOES_ON = frozenset({TicketState.OPEN, TicketState.IN_PROGRESS})
"""A ticket in such a state keeps its branch, also one that the base contains: from the branch on, the work in
progress that was pinned is found again."""


class StartsAgents(Protocol):
    """The part of a supervisor that the Assigner may use."""

    async def start_child(self, spec: ChildSpec[AgentMessage]) -> Ref[AgentMessage]:
        """Start a child; returns when it has started."""
        ...


class Assigner(Reconciler):
    """Looks at: open tickets, free places, base health. Does: assigns, starts Agents, removes worktrees."""

    name: ClassVar[str] = "assigner"

    def __init__(self, world: World, agents: StartsAgents) -> None:
        super().__init__(world)
        self._agents = agents
        self._staffed: set[TicketId] = set()
        self._strikes = Strikes()
        self._branches_tidied = False
        self._tidied: frozenset[TicketId] | None = None

    async def reconcile(self, view: View) -> bool:
        """Remove what no ticket needs, then staff what can be staffed."""
        await self._tidy(view)
        if not self._branches_tidied:
            for trouble in await self.world.offload(partial(self._tidy_branches, view)):
                self.world.events.publish(trouble)
            self._branches_tidied = True
        if self.world.stopping.is_set():
            return True
        self._notice_crashes(view)
        resting = self._strikes.resting()
        staffing = Staffing(
            free_places=self.world.crew.free_places(self._harness),
            held=self.world.crew.held,
            resting=frozenset(resting),
            base_is_green=view.base_is_green and view.can_tell(Role.CODING),
            base_may_be_mended=self.world.config.recovery
            and view.health.state is HealthState.RED
            and view.can_tell(Role.CODING),
        )
        wanted = decide_assignments(view.snapshot, staffing)
        for assignment in wanted:
            await self._staff(assignment)
        until = self.world.crew.throttle(self._harness).until
        times = [*resting.values(), *(() if until is None else (until,))]
        if times:
            self.wake_at(min(times))
        return not times

    @property
    def _harness(self) -> str:
        return self.world.agents.harness_name(Role.CODING)

    # ---- staffing

    def _notice_crashes(self, view: View) -> None:
        """An Agent that is over while its ticket is still to be worked on has crashed: a strike. Not while
        there is no prompt to be had: for want of one, Agents end too."""
        snapshot = view.snapshot
        unfinished = {file.id for file in snapshot.in_state(TicketState.IN_PROGRESS)}
        unfinished -= queued_tickets(snapshot)
        self._staffed &= unfinished
        self._strikes.keep(unfinished)
        for ticket in self._staffed - self.world.crew.held:
            self._staffed.discard(ticket)
            if view.can_tell(Role.CODING):
                self._strikes.add(ticket)

    async def _staff(self, assignment: Assignment) -> None:
        place = self.world.crew.try_place(self._harness)
        if place is None:
            return
        file = assignment.ticket
        self.world.crew.hold(file.id)
        try:
            started = await self._start(assignment, place)
        except BaseException:
            self._release(file.id, place)
            raise
        if not started:
            self._release(file.id, place)

    def _release(self, ticket: TicketId, place: Place) -> None:
        place.release()
        self.world.crew.let_go(ticket)

    async def _start(self, assignment: Assignment, place: Place) -> bool:
        """Commit the assignment and start the Agent; False when nobody is to work on the ticket after all."""
        file = assignment.ticket
        match assignment:
            case Assign():
                if not await self._commit_assignment(file):
                    return False
            case Continue():
                if self._strikes.count(file.id) >= LIMIT:
                    await self._park(file)
                    return False
        spec = ChildSpec(
            # Not the ticket alone: the last Agent of this ticket may not have ended completely yet.
            id=f"agent-{file.id}-{self.world.new_run_id()[:8]}",
            factory=partial(Agent, self.world, file.id, place),
            restart=Restart.TEMPORARY,
            stop_grace_seconds=AGENT_STOP_GRACE_SECONDS,
        )
        await self._agents.start_child(spec)
        self._staffed.add(file.id)
        return True

    async def _commit_assignment(self, file: TicketFile) -> bool:
        worktree = ticket_worktree(self.world.project, file.id, file.slug)
        relative = str(worktree.relative_to(self.world.project.root))
        try:
            await self.world.plan.commit(AssignTicket(file.id, ticket_branch(file.id), relative))
        except PreconditionFailed as changed:
            self.world.events.publish(Trouble(f"{file.id} not assigned: {changed}"))
            return False
        self.world.events.publish(TicketAssigned(file.id, file.ticket.title))
        return True

    async def _park(self, file: TicketFile) -> None:
        note = scriptorium_failed(LIMIT, "while running its agent")
        await self.world.plan.commit(ParkTicket(file.id, note))
        self.world.events.publish(Parked(file.id, note.detail))

    # ---- tidying

    async def _tidy(self, view: View) -> None:
        """A worktree becomes useless when its ticket leaves in-progress or its Agent ends, and never else."""
        needed = self.world.crew.held.union(
            file.id for file in view.snapshot.in_state(TicketState.IN_PROGRESS)
        )
        if self._tidied is not None and needed >= self._tidied:
            self._tidied = needed
            return
        rows = await self.world.offload(partial(list_worktrees, self.world.project))
        for row in decide_tidying(view.snapshot, rows, self.world.crew.held):
            try:
                await self.world.offload(partial(self._remove, view, row))
            except (OSError, pygit2.GitError, RefError) as error:  # work on other tickets does not need it
                self.world.events.publish(Trouble(f"cannot remove the worktree {row.path}: {error}"))
        self._tidied = needed

    def _tidy_branches(self, view: View) -> list[Trouble]:
        """Once: a crash between the removal of a worktree and of its branch leaves the branch."""
        troubles: list[Trouble] = []
        with opened(self.world.project) as project:
            for ticket in ticket_branches(project.repo):
                if view.tip is None or view.snapshot.state_of(ticket) in _GOES_ON:
                    continue
                try:
                    tidy_branch(project, ticket, view.tip)
                except (OSError, pygit2.GitError, RefError) as error:
                    troubles.append(Trouble(f"cannot look after the branch of ticket {ticket}: {error}"))
        return troubles

    def _remove(self, view: View, row: WorktreeRow) -> None:
        with opened(self.world.project) as project:
            if view.tip is None or self.world.stopping.is_set():
                remove_worktree(project, row.path, base=view.tip)
            else:
                retire_worktree(project, row.path, base=view.tip)
            if row.ticket is None or view.tip is None:
                return
            if view.snapshot.state_of(row.ticket) not in _GOES_ON:
                tidy_branch(project, row.ticket, view.tip)
