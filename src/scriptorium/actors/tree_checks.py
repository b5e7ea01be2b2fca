"""Finds the verdict on a merged tree: the checks, run where the ticket's agent worked."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from attrs import evolve

from scriptorium.actors import events
from scriptorium.actors.base_check import BaseCheck
from scriptorium.actors.confirming import confirmed, tell_flake
from scriptorium.actors.health import HealthState
from scriptorium.actors.world import NoVerdict, World
from scriptorium.code.evidence import Result, Verdict, VerdictStore
from scriptorium.code.exact import WorktreeBroken, reset_to_commit
from scriptorium.code.mending import Mended
from scriptorium.code.merge import Merged
from scriptorium.code.repository import opened
from scriptorium.code.worktrees import prepare_worktree, ticket_worktree
from scriptorium.plan.ids import Oid
from scriptorium.plan.snapshot import TicketFile


class CheckImpossible(Exception):
    """The checks could not be run to an answer; not the ticket's fault."""


def believed(merged: Merged, found: Verdict) -> Verdict:
    """What was found of the merged tree, as the verdict on it: it says on which base."""
    return evolve(found, base=merged.base)


class TreeChecks:
    """The verdicts on what would land."""

    def __init__(self, world: World, verdicts: VerdictStore, base: BaseCheck) -> None:
        self._world = world
        self._verdicts = verdicts
        self._base = base

    async def verdict(
        self, file: TicketFile, merged: Merged, commit: Oid, first: Verdict | None = None
    ) -> Verdict | None:
        """What the checks say of the merged tree; None when the base fails them too, which blames nobody.

        Red is believed after `checkReruns` more runs, and when the base, run again as well, still passes.
        `first` is what the first run has found, if there was one. What is returned is stored. Cancelled,
        nothing is known more than before. Raises `CheckImpossible`.
        """
        world = self._world
        done = [first] if first is not None else []

        async def run() -> Verdict | NoVerdict:
            return done.pop() if done else await self._run(file, merged, commit)

        if first is None:
            world.events.publish(events.ChecksStarted(file.id))
        found = await confirmed(run, world.config.check_reruns)
        if isinstance(found, NoVerdict):
            raise CheckImpossible(found.reason)
        await tell_flake(world, file.id, found)
        if found.result is Result.RED and not await self._base_still_passes(file, merged.base):
            return None
        verdict = believed(merged, found)
        await self.store(verdict)
        return verdict

    async def first(self, file: TicketFile, merged: Merged, commit: Oid) -> Verdict | NoVerdict:
        """What one run of the checks says: green is to be believed, red is for `verdict` to confirm."""
        self._world.events.publish(events.ChecksStarted(file.id))
        return await self._run(file, merged, commit)

    async def store(self, verdict: Verdict) -> None:
        """Keep a verdict that is to be believed: its tree is not checked again."""
        await self._world.offload(partial(self._verdicts.put, verdict))

    async def _base_still_passes(self, file: TicketFile, base: Oid) -> bool:
        """The control: a check that depends on the date or the network may have turned red everywhere.

        An earlier green of the base cannot tell, so this is the one case in which it is run again.
        """
        if self._world.conditions.health.of(base).state is not HealthState.GREEN:
            return True  # it is known to be red, and this ticket is there to mend that
        found = await self._base.check_again(base)
        if isinstance(found, NoVerdict):
            raise CheckImpossible(f"it fails, and whether the base does too cannot be told: {found.reason}")
        if found.result is Result.GREEN:
            return True
        branch = self._world.branch
        what = f"{file.id} fails its checks, but so does {branch} now: it waits, blamed for nothing"
        self._world.events.publish(events.Trouble(what))
        return False

    async def _run(self, file: TicketFile, merged: Merged, commit: Oid) -> Verdict | NoVerdict:
        folder, mended = await self._world.offload(partial(self._checkout, file, merged, commit))
        if mended is not None:
            self._world.events.publish(events.Trouble(f"{file.id}: {mended}"))
        return await self._world.checks.run(merged.tree, folder, file.id)

    def _checkout(self, file: TicketFile, merged: Merged, commit: Oid) -> tuple[Path, Mended | None]:
        """The ticket's worktree, made anew if it is gone, reset to exactly what would land."""
        keep = self._world.config.check_caches
        mended = None
        with opened(self._world.project) as project:
            path = ticket_worktree(project, file.id, file.slug)
            try:
                reset_to_commit(project, path, commit, keep)
            except WorktreeBroken:
                mended = prepare_worktree(project, file.id, file.slug, merged.base, merge_base=False).mended
                reset_to_commit(project, path, commit, keep)
        return path, mended
