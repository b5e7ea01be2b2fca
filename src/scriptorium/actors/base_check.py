"""Finds out whether the base branch is green, and when to look again while it is not."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import pygit2
import trio

from scriptorium.actors.events import BaseHealthChanged, ChecksStarted
from scriptorium.actors.health import Health, HealthState
from scriptorium.actors.merging import recheck_wait_seconds
from scriptorium.actors.out_of_space import is_out_of_space
from scriptorium.actors.world import NoVerdict, World
from scriptorium.code.check_commands import ADD_TARGET
from scriptorium.code.evidence import Result, Verdict, VerdictStore
from scriptorium.code.exact import WorktreeBroken
from scriptorium.code.repository import open_repository
from scriptorium.code.trees import UnsafeTree
from scriptorium.code.worktrees import prepare_base_worktree
from scriptorium.plan.ids import Oid


class BaseCheck:
    """The health of the base branch's tip, as *Verdicts* says.

    Green is looked up and never computed again. A red that an earlier life of the service stored is run
    once more, as its cause may have been mended. Red is believed after a second run of the same tree.
    """

    subject: ClassVar[str] = "base"

    def __init__(self, world: World, verdicts: VerdictStore) -> None:
        self._world = world
        self._verdicts = verdicts
        self._runs: dict[Oid, int] = {}
        self._not_before = float("-inf")

    @property
    def next_look(self) -> float | None:
        """The time at which a base that is not green is to be checked again; None while it is green."""
        return None if self._world.conditions.health.state is HealthState.GREEN else self._not_before

    async def is_green(self, tip: Oid) -> bool:
        """Whether work may go on upon this tip; runs the checks if that is not known and due.

        Cancelled, nothing is known more than before.
        """
        health = self._world.conditions.health.of(tip)
        if health.state is HealthState.GREEN:
            return True
        if health.commit in self._runs and trio.current_time() < self._not_before:
            return False
        try:
            found = await self._find_out(tip)
        except Exception as error:
            # Nothing to start anew for: it would be the same again, and the service would end of it.
            if not isinstance(error, UnsafeTree | WorktreeBroken) and not is_out_of_space(error):
                raise
            found = NoVerdict(str(error))
        self._record(tip, found)
        return self._world.conditions.health.state is HealthState.GREEN

    def mark_green(self, tip: Oid) -> None:
        """This tip has just landed with the tree that passed."""
        self._runs.clear()
        self._publish(Health(tip, HealthState.GREEN))

    async def _find_out(self, tip: Oid) -> Verdict | NoVerdict:
        world = self._world
        tree = await world.offload(partial(self._tree_of, tip))
        key = await world.offload(partial(world.checks.key, tree))
        known = await world.offload(partial(self._verdicts.get, tree, key))
        if known is not None and known.result is Result.GREEN:
            return known
        folder = await world.offload(partial(prepare_base_worktree, world.project, tip))
        world.events.publish(ChecksStarted(None))
        verdict = await world.checks.run(tree, folder, self.subject)
        believed = world.conditions.health.of(tip).state is HealthState.RED
        if isinstance(verdict, Verdict) and verdict.result is Result.RED and not believed:
            verdict = await world.checks.run(tree, folder, self.subject)
        if isinstance(verdict, Verdict):
            await world.offload(partial(self._verdicts.put, verdict))
        return verdict

    def _tree_of(self, tip: Oid) -> Oid:
        return Oid(str(open_repository(self._world.project)[tip].peel(pygit2.Commit).tree_id))

    def _record(self, tip: Oid, found: Verdict | NoVerdict) -> None:
        if isinstance(found, Verdict) and found.result is Result.GREEN:
            self._runs.clear()
            self._publish(Health(tip, HealthState.GREEN, reason="no checks" if found.no_checks else ""))
            return
        runs = self._runs.get(tip, 0) + 1
        self._runs = {tip: runs}
        self._not_before = trio.current_time() + recheck_wait_seconds(runs)
        before = self._world.conditions.health
        if isinstance(found, NoVerdict):
            self._publish(Health(tip, HealthState.UNKNOWN, reason=found.reason))
            return
        since = before.since if before.state is HealthState.RED and before.since else self._world.timestamp()
        reason = f"`{found.command}` fails, see {found.log}"
        if ADD_TARGET in found.output_tail:
            reason = f"{reason}: {ADD_TARGET}"
        self._publish(Health(tip, HealthState.RED, since, reason))

    def _publish(self, health: Health) -> None:
        changed = health.state is not self._world.conditions.health.state
        self._world.conditions.set_health(health)
        if changed:
            self._world.events.publish(
                BaseHealthChanged(self._world.branch, health.state.value, health.reason)
            )
