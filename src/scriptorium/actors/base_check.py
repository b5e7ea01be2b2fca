"""Finds out whether the base branch is green, and when to look again while it is not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

import pygit2
import trio

from scriptorium.actors.confirming import confirmed, tell_flake
from scriptorium.actors.events import BaseHealthChanged, ChecksStarted, Trouble
from scriptorium.actors.health import Health, HealthState
from scriptorium.actors.merging import recheck_wait_seconds
from scriptorium.actors.out_of_space import is_out_of_space
from scriptorium.actors.world import NoVerdict, World
from scriptorium.code.check_commands import ADD_TARGET
from scriptorium.code.evidence import Result, Verdict, VerdictStore
from scriptorium.code.exact import WorktreeBroken
from scriptorium.code.red_since import forget_red, keep_red_since, red_since
from scriptorium.code.repository import open_repository
from scriptorium.code.trees import UnsafeTree
from scriptorium.code.worktrees import prepare_base_worktree
from scriptorium.plan.ids import Oid
from scriptorium.plan.recovery import RedBase


class BaseCheck:
    """The health of the base branch's tip, as *Verdicts* says.

    Green is looked up and never computed again. A red that an earlier life of the service stored is run
    once more, as its cause may have been mended. Red is believed after a second run of the same tree. Since
    when it is red is kept over restarts.
    """

    subject: ClassVar[str] = "base"

    def __init__(self, world: World, verdicts: VerdictStore) -> None:
        self._world = world
        self._verdicts = verdicts
        self._runs: dict[Oid, int] = {}
        self._not_before = float("-inf")
        self._rechecks = world.rechecks
        self._red: Verdict | None = None
        self._since_is_kept = True  # perhaps, by an earlier life

    @property
    def next_look(self) -> float:
        """The time at which a base that was not green is to be checked again."""
        return self._not_before

    def is_due(self, tip: Oid) -> bool:
        """Whether this tip, which is not known to be green, is to be checked now: it is new, its time has
        come, or a person has asked for it since the last check began."""
        if tip not in self._runs or self._rechecks != self._world.rechecks:
            return True
        return trio.current_time() >= self._not_before

    def red(self, tip: Oid) -> RedBase | None:
        """What fails on this tip, as found in this life; None when it is not known to be red."""
        health, verdict = self._world.conditions.health.of(tip), self._red
        if health.state is not HealthState.RED or verdict is None:
            return None
        return RedBase(
            branch=self._world.branch,
            commit=tip,
            since=health.since or verdict.finished,
            command=verdict.command or "",
            exit_code=verdict.exit_code,
            log=verdict.log,
            output_tail=verdict.output_tail,
        )

    async def is_green(self, tip: Oid) -> bool:
        """Whether work may go on upon this tip; runs the checks if that is not known.

        Cancelled, nothing is known more than before.
        """
        if self._world.conditions.health.of(tip).state is HealthState.GREEN:
            return True
        if self._rechecks != self._world.rechecks:
            self._runs.clear()  # a person says that something has changed: the waits begin anew
            self._rechecks = self._world.rechecks
        await self._record(tip, await _or_no_verdict(partial(self._find_out, tip)))
        return self._world.conditions.health.state is HealthState.GREEN

    async def check_again(self, tip: Oid) -> Verdict | NoVerdict:
        """Run the checks on a tip that is green: what fails on a ticket's tree may fail everywhere by now.

        Green leaves everything as it was. Red takes the place of the green verdict, and halts. Cancelled,
        nothing is known more than before.
        """
        tree = await self._world.offload(partial(self._tree_of, tip))
        found = await _or_no_verdict(partial(self._run, tip, tree, self._world.config.check_reruns))
        if isinstance(found, Verdict) and found.result is Result.RED:
            await self._world.offload(partial(self._verdicts.put, found))
            await self._record(tip, found)
        return found

    async def mark_green(self, tip: Oid) -> None:
        """This tip has just landed with the tree that passed."""
        await self._now_green(Health(tip, HealthState.GREEN))

    async def _find_out(self, tip: Oid) -> Verdict | NoVerdict:
        world = self._world
        tree = await world.offload(partial(self._tree_of, tip))
        key = await world.offload(partial(world.checks.key, tree))
        known = await world.offload(partial(self._verdicts.get, tree, key))
        if known is not None and known.result is Result.GREEN:
            return known
        # What is stored was confirmed then, in this life or another.
        believed = known is not None
        verdict = await self._run(tip, tree, 0 if believed else world.config.check_reruns)
        if isinstance(verdict, Verdict):
            await world.offload(partial(self._verdicts.put, verdict))
        return verdict

    async def _run(self, tip: Oid, tree: Oid, reruns: int) -> Verdict | NoVerdict:
        world = self._world
        world.events.publish(ChecksStarted(None))
        verdict = await confirmed(partial(self._run_once, tip, tree), reruns)
        if isinstance(verdict, Verdict):
            await tell_flake(world, None, verdict)
        return verdict

    async def _run_once(self, tip: Oid, tree: Oid) -> Verdict | NoVerdict:
        world = self._world
        prepare = partial(prepare_base_worktree, world.project, tip, world.config.check_caches)
        return await world.checks.run(tree, await world.offload(prepare), self.subject)

    def _tree_of(self, tip: Oid) -> Oid:
        return Oid(str(open_repository(self._world.project)[tip].peel(pygit2.Commit).tree_id))

    async def _record(self, tip: Oid, found: Verdict | NoVerdict) -> None:
        if isinstance(found, Verdict) and found.result is Result.GREEN:
            reason = "no checks" if found.no_checks else ""
            await self._now_green(Health(tip, HealthState.GREEN, reason=reason))
            return
        runs = self._runs.get(tip, 0) + 1
        self._runs = {tip: runs}
        self._not_before = trio.current_time() + recheck_wait_seconds(runs)
        if isinstance(found, NoVerdict):
            self._publish(Health(tip, HealthState.UNKNOWN, reason=found.reason))
            return
        self._red = found
        since = await self._since()
        reason = f"`{found.command}` fails, see {found.log}"
        if ADD_TARGET in found.output_tail:
            reason = f"{reason}: {ADD_TARGET}"
        self._publish(Health(tip, HealthState.RED, since, reason))

    async def _now_green(self, health: Health) -> None:
        self._runs.clear()
        self._red = None
        self._publish(health)
        if self._since_is_kept:
            await self._in_state_dir(partial(forget_red, self._world.project.state_dir))
            self._since_is_kept = False

    async def _since(self) -> str:
        """When the base branch was first seen red, with no green since, in this life or an earlier one."""
        world, branch = self._world, self._world.branch
        known = world.conditions.health.since
        since = known or await world.offload(partial(red_since, world.project.state_dir, branch))
        since = since or world.timestamp()
        if known is None:
            self._since_is_kept = True
            await self._in_state_dir(partial(keep_red_since, world.project.state_dir, branch, since))
        return since

    async def _in_state_dir(self, change: Callable[[], None]) -> None:
        try:
            await self._world.offload(change)
        except OSError as error:  # what is lost is a time
            self._world.events.publish(Trouble(f"cannot keep since when the base branch is red: {error}"))

    def _publish(self, health: Health) -> None:
        before = self._world.conditions.health
        self._world.conditions.set_health(health)
        # The same red commit, checked again, is no news.
        if health.state is not before.state or (health.since and health.commit != before.commit):
            self._world.events.publish(
                BaseHealthChanged(self._world.branch, health.state.value, health.reason, health.since)
            )


async def _or_no_verdict(find: Callable[[], Awaitable[Verdict | NoVerdict]]) -> Verdict | NoVerdict:
    """Nothing to start anew for: it would be the same again, and the service would end of it."""
    try:
        return await find()
    except Exception as error:
        if not isinstance(error, UnsafeTree | WorktreeBroken) and not is_out_of_space(error):
            raise
        return NoVerdict(str(error))
