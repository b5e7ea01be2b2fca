"""The merge queue and the remote: it is asked before a landing, and the base follows what others pushed."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import Final, assert_never

import pygit2
import trio

from scriptorium.actors import events
from scriptorium.actors.base_check import BaseCheck
from scriptorium.actors.confirming import confirmed, tell_flake
from scriptorium.actors.health import Blocked
from scriptorium.actors.outcomes import Outcomes
from scriptorium.actors.pause import Pause
from scriptorium.actors.remote_link import GIT_TROUBLE, RemoteLink
from scriptorium.actors.world import NoVerdict, World
from scriptorium.code import landing
from scriptorium.code.evidence import Result, Verdict, VerdictStore, evidence_for
from scriptorium.code.following import FOLLOWING, follow
from scriptorium.code.merge import AlreadyLanded, Conflicted, Merged, NothingToLand, merge
from scriptorium.code.remote import Relation
from scriptorium.code.repository import opened
from scriptorium.code.worktrees import prepare_base_worktree
from scriptorium.plan.ids import Oid

FRESH_SECONDS: Final = 2.0
"""An answer of the remote that is not older is not asked for again before a landing."""


class Following(Enum):
    """What the merge queue does next."""

    GO_ON = "go on"
    LOOK_AGAIN = "look again"
    WAIT = "wait"


class RemoteFollower:
    """Keeps the base from leaving the remote behind it; does nothing in a world without a remote."""

    def __init__(self, world: World, verdicts: VerdictStore, outcomes: Outcomes) -> None:
        self._world = world
        self._verdicts = verdicts
        self._outcomes = outcomes
        self._link = None if world.remote is None else RemoteLink(world, world.remote)
        self._pause = Pause.of_trouble()
        self._apart: tuple[Oid, Oid] | None = None
        self._waits = False

    @property
    def next_look(self) -> float | None:
        """When to look again at what failed in a way that passes."""
        return self._pause.until

    async def is_clear(self, tip: Oid) -> bool:
        """Ask before a landing on `tip`. False when others have pushed what the base can follow first.

        A remote that cannot be asked keeps nothing from landing: what comes of that can be merged later. When
        it has failed once, it is the Pusher that asks until it answers.
        """
        link = self._link
        if link is None or self._waits or link.standing.is_silent:
            return True
        if trio.current_time() >= link.standing.asked_at + FRESH_SECONDS:
            await link.ask()
        return await link.relation(tip) in {None, Relation.SAME, Relation.BEHIND}

    async def catch_up(self, tip: Oid) -> Following:
        """Bring the base to contain what the remote is known to have, if it does not.

        Cancelled or killed in the middle, `settle` and the next look deal with what is left.
        """
        if self._link is None:
            return Following.GO_ON
        found = Following.WAIT if self._pause.until is not None else await self._try(self._link, tip)
        self._waits = found is Following.WAIT
        return found

    async def _try(self, link: RemoteLink, tip: Oid) -> Following:
        try:
            found = await self._catch_up(link, tip)
        except GIT_TROUBLE as error:  # passes, or a person has to see to it; the service lives on
            seconds = self._pause.begin()
            what = f"cannot follow the remote, trying again in {seconds:.0f} s: {error}"
            self._world.events.publish(events.Trouble(what))
            return Following.WAIT
        self._pause.end()
        return found

    async def _catch_up(self, link: RemoteLink, tip: Oid) -> Following:
        relation, theirs = await link.relation(tip), link.standing.tip
        if theirs is None or relation in {None, Relation.SAME, Relation.BEHIND}:
            return Following.GO_ON
        world = self._world
        if relation is Relation.AHEAD:
            moved = await world.offload(partial(follow, world.project, world.branch, tip, theirs))
            return self._moved(moved, theirs)
        return await self._merge(link, tip, theirs)

    async def _merge(self, link: RemoteLink, tip: Oid, theirs: Oid) -> Following:
        """Both have gone on: their merge lands as a ticket would, and is a fast-forward for the remote."""
        world = self._world
        if self._apart == (tip, theirs):
            return Following.WAIT
        merged = await world.offload(partial(self._merged, tip, theirs))
        by_hand = f"do it by hand: git fetch {link.standing.name} && git merge {theirs}"
        if isinstance(merged, Conflicted):
            named = ", ".join(sorted(file.path for file in merged.files)) or merged.refused
            link.cannot_follow(f"they do not merge ({named}); {by_hand}")
            self._apart = tip, theirs
            return Following.WAIT
        message = f"scriptorium: merge {link.standing.name}/{world.branch}\n"
        commit = await world.offload(partial(landing.make_landing_commit, world.project, merged, message))
        verdict = await self._verdict(merged, commit)
        if isinstance(verdict, NoVerdict):
            raise OSError(f"their merge cannot be checked: {verdict.reason}")
        if verdict.result is Result.RED:
            link.cannot_follow(f"their merge fails `{verdict.command}`, see {verdict.log}; {by_hand}")
            self._apart = tip, theirs
            return Following.WAIT
        return self._moved(await world.offload(partial(self._land, merged, verdict, commit)), theirs)

    def _merged(self, tip: Oid, theirs: Oid) -> Merged | Conflicted:
        with opened(self._world.project) as project:
            found = merge(project, tip, theirs)
            match found:
                case Merged() | Conflicted():
                    return found
                case NothingToLand() | AlreadyLanded():  # the same changes: their merge has the base's tree
                    return Merged(Oid(str(project.repo[tip].peel(pygit2.Commit).tree_id)), tip, theirs)
                case _:
                    assert_never(found)

    async def _verdict(self, merged: Merged, commit: Oid) -> Verdict | NoVerdict:
        """Stored, or found in the base's worktree; red is believed after a second run, as of the base."""
        world = self._world
        key = await world.offload(partial(world.checks.key, merged.tree))
        known = await world.offload(partial(self._verdicts.get, merged.tree, key))
        if known is not None:
            return known
        world.events.publish(events.ChecksStarted(None))
        verdict = await confirmed(partial(self._check, merged, commit), world.config.check_reruns)
        if isinstance(verdict, Verdict):
            await tell_flake(world, None, verdict)
            await world.offload(partial(self._verdicts.put, verdict))
        return verdict

    async def _check(self, merged: Merged, commit: Oid) -> Verdict | NoVerdict:
        world = self._world
        prepare = partial(prepare_base_worktree, world.project, commit, world.config.check_caches)
        return await world.checks.run(merged.tree, await world.offload(prepare), BaseCheck.subject)

    def _land(self, merged: Merged, verdict: Verdict, commit: Oid) -> landing.LandingOutcome:
        with opened(self._world.project) as project:
            evidence = evidence_for(merged, verdict)
            outcome = landing.land(project, self._world.branch, FOLLOWING, evidence, commit)
            if isinstance(outcome, landing.Landed):
                landing.finish_landing(project, FOLLOWING)
        return outcome

    def _moved(self, outcome: landing.LandingOutcome, theirs: Oid) -> Following:
        world = self._world
        match outcome:
            case landing.Landed():
                world.conditions.set_blocked(None)
                world.events.publish(events.RemoteFollowed(world.branch, theirs))
                world.base_is_at(outcome.commit)
                return Following.LOOK_AGAIN
            case landing.BaseMoved():
                world.base_is_at(outcome.tip)
                return Following.LOOK_AGAIN
            case landing.Blocked():
                self._outcomes.wait_for(Blocked(FOLLOWING, outcome.files))
                return Following.WAIT
            case _:
                assert_never(outcome)
