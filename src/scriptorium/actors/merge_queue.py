"""The MergeQueue: lands one submission at a time, and only what passed its checks as it will land."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, assert_never

import trio

from scriptorium.actors import events
from scriptorium.actors.base_check import BaseCheck
from scriptorium.actors.base_recovery import ask_for_mending, let_mending_go, mending_entry, mending_only
from scriptorium.actors.by_hand import bring_queue_in_line
from scriptorium.actors.checking_ahead import CheckAhead
from scriptorium.actors.following_remote import Following, RemoteFollower
from scriptorium.actors.health import Blocked as BlockedLanding
from scriptorium.actors.health import Health, HealthState
from scriptorium.actors.merging import NextEntry, entry_after, next_entry
from scriptorium.actors.out_of_space import is_out_of_space
from scriptorium.actors.outcomes import Outcomes
from scriptorium.actors.proposing import Proposal, Ready, propose
from scriptorium.actors.reconciler import Reconciler
from scriptorium.actors.run_notes import checks_failed, conflicted, nothing_to_land
from scriptorium.actors.setbacks import Setbacks
from scriptorium.actors.settling import settle_landings
from scriptorium.actors.together import together
from scriptorium.actors.tree_checks import CheckImpossible, TreeChecks
from scriptorium.actors.world import View, World
from scriptorium.code.evidence import Result, Verdict, VerdictStore, evidence_for
from scriptorium.code.landing import BaseMoved, Blocked, Landed, LandingOutcome, land
from scriptorium.code.merge import AlreadyLanded, Conflicted, NothingToLand
from scriptorium.code.repository import opened
from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import TicketState
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.recovery import RedBase
from scriptorium.plan.snapshot import TicketFile
from scriptorium.plan.transitions import PreconditionFailed, StartLanding

SETTLE_AGAIN_SECONDS = 1.0


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
        self._checks = TreeChecks(world, verdicts, self._base)
        self._ahead = CheckAhead(world, verdicts, self._checks)
        self._setbacks = Setbacks(world)
        self._outcomes = Outcomes(world, self._setbacks)
        self._remote = RemoteFollower(world, verdicts, self._outcomes)
        self._settled = False
        self._rechecks = world.rechecks

    async def reconcile(self, view: View) -> bool:
        """Settle what an earlier life left, know the base's health, then take the next entry."""
        if not self._settled:
            self._settled = await settle_landings(self.world, self._outcomes, view)
            if self._settled:
                self.nudge()
            else:
                self.wake_at(trio.current_time() + SETTLE_AGAIN_SECONDS)
            return not self._settled
        await self._ahead.keep_only(None if self.world.stopping.is_set() else view.tip)
        if self.world.stopping.is_set():
            return True
        if self._rechecks != self.world.rechecks:
            self._rechecks = self.world.rechecks
            self._setbacks.try_at_once()
        if await bring_queue_in_line(self.world, view.snapshot):
            self.nudge()
            return False
        if view.tip is None:
            self.world.conditions.set_health(Health(reason="it has no commit"))
            return True
        return await self._go_on(view, view.tip)

    async def _go_on(self, view: View, tip: Oid) -> bool:
        following = await self._remote.catch_up(tip)
        if following is Following.LOOK_AGAIN:
            self.nudge()
            return False
        if not view.base_is_green:
            return await self._look_at_base(view, tip)
        if following is Following.GO_ON:
            return await self._take_next(view, tip)
        if self._remote.next_look is not None:
            self.wake_at(self._remote.next_look)
        return self._remote.next_look is None

    async def _look_at_base(self, view: View, tip: Oid) -> bool:
        if self._base.is_due(tip):
            await self._base.is_green(tip)
            self.nudge()  # checks may take half an hour: decide from a fresh look
            return False
        self.wake_at(self._base.next_look)
        red = self._base.red(tip)
        return red is None or not self.world.config.recovery or await self._mend(view, red)

    async def _mend(self, view: View, red: RedBase) -> bool:
        """Have the red base mended: the one ticket for that is made, and lands as any other does."""
        if await ask_for_mending(self.world, view.snapshot, red):
            self.nudge()
            return False
        resting = mending_only(view.snapshot, self._setbacks.resting(red.commit))
        following = mending_entry(view.snapshot, self.world.crew.held, resting)
        if following is not None:
            return await self._try(following, view, red.commit)
        if resting:
            self.wake_at(min((self._base.next_look, *resting.values())))
        return not resting

    async def _take_next(self, view: View, tip: Oid) -> bool:
        if await let_mending_go(self.world, view.snapshot):
            self.nudge()
            return False
        resting = self._setbacks.resting(tip)
        following = next_entry(view.snapshot, self.world.crew.held, resting)
        await self._ahead.keep_only(tip, following.entry if following else None)
        if following is None:
            if view.snapshot.active is None:
                self.world.conditions.set_blocked(None)
            if resting:
                self.wake_at(min(resting.values()))
            return not resting
        return await self._try(following, view, tip)

    async def _try(self, following: NextEntry, view: View, tip: Oid) -> bool:
        """Take this entry; whatever goes wrong with it must not stop the others."""
        if not await self._remote.is_clear(tip):
            self.nudge()
            return False
        ticket = following.entry.ticket
        try:
            waits = await self._take(following, view.snapshot.tickets[ticket], tip)
        except PreconditionFailed as changed:
            self._settled = False  # it may have been refused once the base had moved
            if (
                self.world.plan.latest is view.snapshot
            ):  # nobody was faster: at once it would be refused again
                await self._setbacks.strike(ticket, changed)
            else:
                self.world.events.publish(events.Trouble(f"merge queue: {changed}"))
            waits = False
        except CheckImpossible as impossible:
            self._setbacks.postpone(ticket, tip, impossible)
            waits = False
        except Exception as error:  # one entry must not stop the others, whatever is wrong with it
            # A landing that could not be undone leaves its ref, which would keep the others from landing.
            self._settled = False
            if is_out_of_space(error):
                self._setbacks.postpone(ticket, tip, error)
            else:
                await self._setbacks.strike(ticket, error)
            waits = False
        if not waits:
            self.nudge()
        return waits

    # ---- one entry

    async def _take(self, following: NextEntry, file: TicketFile, tip: Oid) -> bool:
        """Bring one entry to its outcome. True when it has to wait for someone else."""
        entry = following.entry
        proposing = partial(self._proposal, entry, file, tip)
        if following.started:
            proposal = await proposing()
        else:
            start = partial(self.world.plan.commit, StartLanding(entry.ticket))
            proposal = await together(start, proposing)
        match proposal:
            case Ready():
                return await self._check_and_land(entry, file, proposal)
            case Conflicted():
                await self._outcomes.hand_back(file, conflicted(proposal, self.world.branch), entry)
            case NothingToLand():
                await self._outcomes.hand_back(file, nothing_to_land(self.world.branch), entry)
            case AlreadyLanded():
                await self._outcomes.complete(entry.ticket, proposal.commit, entry.commit)
            case _:
                assert_never(proposal)
        return False

    async def _proposal(self, entry: QueueEntry, file: TicketFile, tip: Oid) -> Proposal:
        found = await self._ahead.found(entry, file, tip)
        if found is None:
            found = await propose(self.world, self._verdicts, entry, file, tip)
        if isinstance(found, Ready) and found.known is not None:
            self._look_ahead(entry, found, found.known)
        return found

    def _look_ahead(self, entry: QueueEntry, ready: Ready, verdict: Verdict) -> None:
        """Have the next entry checked as it will be when this one has landed, if it can land now."""
        snapshot, conditions = self.world.plan.latest, self.world.conditions
        base_is_green = conditions.health.of(ready.merged.base).state is HealthState.GREEN
        if snapshot is None or verdict.result is Result.RED or not base_is_green or conditions.blocked:
            return
        resting = self._setbacks.resting(ready.commit)
        after = entry_after(snapshot, entry.ticket, self.world.crew.held, resting)
        if after is not None:
            self._ahead.begin(self.nursery, after, snapshot.tickets[after.ticket], ready.commit)

    async def _check_and_land(self, entry: QueueEntry, file: TicketFile, ready: Ready) -> bool:
        # A tree that has a verdict is not checked again.
        verdict = ready.known or await self._checks.verdict(file, ready.merged, ready.commit, ready.first)
        if verdict is None:
            return False  # the base is red too: the next look halts until it is green
        self._look_ahead(entry, ready, verdict)
        if verdict.result is Result.RED:
            await self._outcomes.hand_back(file, checks_failed(verdict), entry)
            return False
        return await self._land(entry, ready, verdict)

    def _is_still_wanted(self, entry: QueueEntry) -> bool:
        """Look again before the base moves: checks may take half an hour, and a person the ticket away."""
        snapshot = self.world.plan.repository.read()
        return snapshot.active == entry and snapshot.state_of(entry.ticket) is TicketState.IN_PROGRESS

    async def _land(self, entry: QueueEntry, ready: Ready, verdict: Verdict) -> bool:
        world, ticket = self.world, entry.ticket
        if not await self._remote.is_clear(ready.merged.base):
            return False  # others have pushed while it was checked: merge and check again
        await self._ahead.stored(verdict)  # a crash just after the landing must not cost the base's verdict
        landed = await world.offload(partial(self._land_if_wanted, entry, ready, verdict))
        match landed:
            case None:
                await world.plan.read()  # tells everybody what a person has changed
                return False
            case Landed():
                world.conditions.set_blocked(None)
                await self._base.mark_green(landed.commit)
                world.base_is_at(landed.commit)
                await self._outcomes.complete(ticket, landed.commit, entry.commit)
                return False
            case BaseMoved():
                world.base_is_at(landed.tip)
                return False
            case Blocked():
                self._outcomes.wait_for(BlockedLanding(ticket, landed.files))
                return True
            case _:
                assert_never(landed)

    def _land_if_wanted(self, entry: QueueEntry, ready: Ready, verdict: Verdict) -> LandingOutcome | None:
        if not self._is_still_wanted(entry):
            return None
        evidence = evidence_for(ready.merged, verdict)
        with opened(self.world.project) as project:
            return land(project, self.world.branch, entry.ticket, evidence, ready.commit)
