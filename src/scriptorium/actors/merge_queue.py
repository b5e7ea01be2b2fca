"""The MergeQueue: lands one submission at a time, and only what passed its checks as it will land."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar, assert_never

import trio
from attrs import frozen

from scriptorium.actors import events
from scriptorium.actors.attempts import must_park
from scriptorium.actors.base_check import BaseCheck
from scriptorium.actors.by_hand import bring_queue_in_line
from scriptorium.actors.health import Blocked as BlockedLanding
from scriptorium.actors.health import Health
from scriptorium.actors.landing_message import landing_message
from scriptorium.actors.merging import NextEntry, next_entry
from scriptorium.actors.out_of_space import is_out_of_space
from scriptorium.actors.postponed import Postponed
from scriptorium.actors.reconciler import Reconciler
from scriptorium.actors.run_notes import checks_failed, conflicted, nothing_to_land, scriptorium_failed
from scriptorium.actors.strikes import LIMIT, Strikes
from scriptorium.actors.together import together
from scriptorium.actors.world import NoVerdict, View, World
from scriptorium.code.evidence import Result, Verdict, VerdictStore, evidence_for
from scriptorium.code.exact import WorktreeBroken, reset_to_commit
from scriptorium.code.landing import (
    BaseMoved,
    Blocked,
    Landed,
    LandingOutcome,
    finish_landing,
    land,
    make_landing_commit,
)
from scriptorium.code.merge import AlreadyLanded, Conflicted, Merged, NothingToLand, merge
from scriptorium.code.repository import opened
from scriptorium.code.settle import Settled, SettledAs, settle
from scriptorium.code.worktrees import prepare_worktree, ticket_worktree
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.notes import ReopenNote
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.refs import RefLocked
from scriptorium.plan.snapshot import TicketFile
from scriptorium.plan.transitions import (
    CompleteTicket,
    ParkTicket,
    PreconditionFailed,
    ReopenTicket,
    StartLanding,
)

SETTLE_AGAIN_SECONDS = 1.0


@frozen
class _Ready:
    """A submission that merges cleanly: the commit that would land, and what is known of its tree."""

    merged: Merged
    commit: Oid
    known: Verdict | None


class MergeQueue(Reconciler):
    """Looks at: pending queue, base branch. Does: checks the base; merges, checks, lands or reopens.

    A crash at any point is made right by the next start: the entry stays in the plan until the commit of
    its outcome, and `settle` finishes a landing whose base has moved, or whose checkout was being moved.
    """

    name: ClassVar[str] = "merge-queue"

    def __init__(self, world: World, verdicts: VerdictStore) -> None:
        super().__init__(world)
        self._verdicts = verdicts
        self._base = BaseCheck(world, verdicts)
        self._strikes = Strikes()
        self._postponed = Postponed()
        self._settled = False

    async def reconcile(self, view: View) -> bool:
        """Settle what an earlier life left, know the base's health, then take the next entry."""
        if not self._settled:
            self._settled = await self._settle(view)
            if self._settled:
                self.nudge()
            else:
                self.wake_at(trio.current_time() + SETTLE_AGAIN_SECONDS)
            return not self._settled
        if self.world.stopping.is_set():
            return True
        if await bring_queue_in_line(self.world, view.snapshot):
            self.nudge()
            return False
        if view.tip is None:
            self.world.conditions.set_health(Health(reason="it has no commit"))
            return True
        if not view.base_is_green:
            return await self._look_at_base(view.tip)
        return await self._take_next(view, view.tip)

    async def _look_at_base(self, tip: Oid) -> bool:
        if await self._base.is_green(tip):
            self.nudge()  # checks may take half an hour: decide from a fresh look
            return False
        if self._base.next_look is not None:
            self.wake_at(self._base.next_look)
        return True

    async def _take_next(self, view: View, tip: Oid) -> bool:
        resting = self._strikes.resting() | self._postponed.resting(tip)
        following = next_entry(view.snapshot, self.world.crew.held, resting)
        if following is None:
            if view.snapshot.active is None:
                self.world.conditions.set_blocked(None)
            if resting:
                self.wake_at(min(resting.values()))
            return not resting
        ticket = following.entry.ticket
        try:
            waits = await self._take(following, view.snapshot.tickets[ticket], tip)
        except PreconditionFailed as changed:
            self._settled = False  # it may have been refused once the base had moved
            if (
                self.world.plan.latest is view.snapshot
            ):  # nobody was faster: at once it would be refused again
                await self._strike(ticket, changed)
            else:
                self.world.events.publish(events.Trouble(f"merge queue: {changed}"))
            waits = False
        except CheckImpossible as impossible:
            self._postpone(ticket, tip, impossible)
            waits = False
        except Exception as error:  # one entry must not stop the others, whatever is wrong with it
            # A landing that could not be undone leaves its ref, which would keep the others from landing.
            self._settled = False
            if is_out_of_space(error):
                self._postpone(ticket, tip, error)
            else:
                await self._strike(ticket, error)
            waits = False
        if not waits:
            self.nudge()
        return waits

    async def _strike(self, ticket: TicketId, error: Exception) -> None:
        count = self._strikes.add(ticket)
        self.world.events.publish(events.Trouble(f"landing {ticket} failed ({count} in a row): {error!r}"))
        if count >= LIMIT:
            self._strikes.forget(ticket)
            note = scriptorium_failed(count, "while landing it", repr(error))
            try:
                await self.world.plan.commit(ParkTicket(ticket, note))
            except PreconditionFailed:
                return  # somebody moved the ticket by hand: the plan branch says what is
            self.world.events.publish(events.Parked(ticket, note.detail))

    def _postpone(self, ticket: TicketId, tip: Oid, impossible: Exception) -> None:
        seconds = self._postponed.add(ticket, tip)
        what = f"{ticket} cannot be checked, trying again in {seconds:.0f} s: {impossible}"
        self.world.events.publish(events.Trouble(what))

    # ---- one entry

    async def _take(self, following: NextEntry, file: TicketFile, tip: Oid) -> bool:
        """Bring one entry to its outcome. True when it has to wait for someone else."""
        entry = following.entry
        propose = partial(self.world.offload, partial(self._propose, entry, file, tip))
        if following.started:
            proposal = await propose()
        else:
            # Merging only writes objects: should the commit be refused, nothing refers to them.
            start = partial(self.world.plan.commit, StartLanding(entry.ticket))
            proposal = await together(start, propose)
        match proposal:
            case _Ready():
                return await self._check_and_land(entry, file, proposal)
            case Conflicted():
                await self._hand_back(file, conflicted(proposal, self.world.branch))
            case NothingToLand():
                await self._hand_back(file, nothing_to_land(self.world.branch))
            case AlreadyLanded():
                await self._complete(entry.ticket, proposal.commit)
            case _:
                assert_never(proposal)
        return False

    def _propose(
        self, entry: QueueEntry, file: TicketFile, tip: Oid
    ) -> _Ready | Conflicted | NothingToLand | AlreadyLanded:
        with opened(self.world.project) as project:
            merged = merge(project, tip, entry.commit)
            if not isinstance(merged, Merged):
                return merged
            commit = make_landing_commit(project, merged, landing_message(file, entry))
        known = self._verdicts.get(merged.tree, self.world.checks.key(merged.tree))
        return _Ready(merged, commit, known)

    async def _check_and_land(self, entry: QueueEntry, file: TicketFile, ready: _Ready) -> bool:
        # A tree that has a verdict is not checked again.
        verdict = ready.known or await self._verdict(file, ready.merged, ready.commit)
        if isinstance(verdict, NoVerdict):
            raise CheckImpossible(verdict.reason)
        if verdict.result is Result.RED:
            await self._hand_back(file, checks_failed(verdict))
            return False
        return await self._land(entry, ready, verdict)

    def _is_still_wanted(self, entry: QueueEntry) -> bool:
        """Look again before the base moves: checks may take half an hour, and a person the ticket away."""
        snapshot = self.world.plan.repository.read()
        return snapshot.active == entry and snapshot.state_of(entry.ticket) is TicketState.IN_PROGRESS

    async def _verdict(self, file: TicketFile, merged: Merged, commit: Oid) -> Verdict | NoVerdict:
        """What the checks say of the merged tree; red is believed after a second run."""
        world = self.world
        world.events.publish(events.ChecksStarted(file.id))
        verdict = await self._run_checks(file, merged, commit)
        if isinstance(verdict, Verdict) and verdict.result is Result.RED:
            verdict = await self._run_checks(file, merged, commit)
        if isinstance(verdict, Verdict) and verdict.result is Result.RED:
            await world.offload(partial(self._verdicts.put, verdict))  # a green one is put before it lands
        return verdict

    async def _run_checks(self, file: TicketFile, merged: Merged, commit: Oid) -> Verdict | NoVerdict:
        folder = await self.world.offload(partial(self._checkout, file, merged, commit))
        return await self.world.checks.run(merged.tree, folder, file.id)

    def _checkout(self, file: TicketFile, merged: Merged, commit: Oid) -> Path:
        """The ticket's worktree, made anew if it is gone, reset to exactly what would land."""
        with opened(self.world.project) as project:
            path = ticket_worktree(project, file.id, file.slug)
            try:
                reset_to_commit(project, path, commit)
            except WorktreeBroken:
                prepare_worktree(project, file.id, file.slug, merged.base, merge_base=False)
                reset_to_commit(project, path, commit)
        return path

    async def _land(self, entry: QueueEntry, ready: _Ready, verdict: Verdict) -> bool:
        world, ticket = self.world, entry.ticket
        landed = await world.offload(partial(self._land_if_wanted, entry, ready, verdict))
        match landed:
            case None:
                await world.plan.read()  # tells everybody what a person has changed
                return False
            case Landed():
                world.conditions.set_blocked(None)
                self._base.mark_green(landed.commit)
                world.base_is_at(landed.commit)
                await self._complete(ticket, landed.commit)
                return False
            case BaseMoved():
                world.base_is_at(landed.tip)
                return False
            case Blocked():
                return self._wait_for(ticket, landed.files)
            case _:
                assert_never(landed)

    def _land_if_wanted(self, entry: QueueEntry, ready: _Ready, verdict: Verdict) -> LandingOutcome | None:
        if ready.known is None:
            self._verdicts.put(verdict)
        if not self._is_still_wanted(entry):
            return None
        evidence = evidence_for(ready.merged, verdict)
        with opened(self.world.project) as project:
            return land(project, self.world.branch, entry.ticket, evidence, ready.commit)

    def _wait_for(self, ticket: TicketId, files: tuple[str, ...]) -> bool:
        blocked = BlockedLanding(ticket, files)
        if blocked != self.world.conditions.blocked:
            self.world.conditions.set_blocked(blocked)
            self.world.events.publish(events.LandingBlocked(ticket, files))
        return True

    async def _complete(self, ticket: TicketId, commit: Oid) -> None:
        """The base contains it: say so in the plan, then drop the landing ref. A crash between is settled."""
        await self.world.plan.commit(CompleteTicket(ticket, commit))
        await self.world.offload(partial(finish_landing, self.world.project, ticket))
        self._forget(ticket)
        self.world.events.publish(events.Landed(ticket, commit))

    async def _hand_back(self, file: TicketFile, note: ReopenNote) -> None:
        self._forget(file.id)
        self.world.conditions.set_blocked(None)
        if must_park(file.ticket.reopen_count, self.world.config.max_reopens):
            await self.world.plan.commit(ParkTicket(file.id, note))
            self.world.events.publish(events.Parked(file.id, note.detail))
        else:
            await self.world.plan.commit(ReopenTicket(file.id, note))
            self.world.events.publish(events.Reopened(file.id, note.detail))

    def _forget(self, ticket: TicketId) -> None:
        """There is an outcome: what went wrong on the way does not count any more."""
        self._strikes.forget(ticket)
        self._postponed.forget(ticket)

    # ---- the start

    async def _settle(self, view: View) -> bool:
        """Finish what a landing of an earlier life had begun; False when that has to wait a moment."""
        world = self.world
        blocked: tuple[BlockedLanding, ...] = ()
        found = await world.offload(partial(settle, world.project, world.branch))
        if found:  # it may have moved the base, and a branch that it contains is done with
            world.base_is_at(await world.offload(world.read_tip))
        for settled in found:
            match settled.outcome:
                case SettledAs.CONTAINED | SettledAs.FINISHED:
                    try:
                        await self._complete_if_open(view, settled)
                    except RefLocked as error:  # `git gc` packs the refs, say
                        blocked = (*blocked, BlockedLanding(settled.ticket, (str(error.path),)))
                case SettledAs.CHECK_AGAIN:
                    what = (
                        f"{settled.ticket}: its landing was cut short and is called off; it is checked again"
                    )
                    world.events.publish(events.Recovered(what))
                case SettledAs.BLOCKED:
                    blocked = (*blocked, BlockedLanding(settled.ticket, settled.files))
                case _:
                    assert_never(settled.outcome)
        if blocked:
            self._wait_for(blocked[0].ticket, blocked[0].files)
        elif world.conditions.blocked is not None:
            world.conditions.set_blocked(None)
        return not blocked

    async def _complete_if_open(self, view: View, settled: Settled) -> None:
        file = view.snapshot.tickets.get(settled.ticket)
        if file is None or file.state is not TicketState.IN_PROGRESS:
            await self.world.offload(partial(finish_landing, self.world.project, settled.ticket))
            return
        await self._complete(settled.ticket, settled.commit)
        left = (
            f"; changed meanwhile and left as they are: {', '.join(settled.files)}" if settled.files else ""
        )
        self.world.events.publish(
            events.Recovered(f"{settled.ticket}: finished the landing that had begun{left}")
        )


class CheckImpossible(Exception):
    """The checks could not be run to an answer; not the ticket's fault."""
