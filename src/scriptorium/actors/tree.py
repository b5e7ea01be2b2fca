"""The supervision tree of one service: starts the actors on a World, waits for the end, stops them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from scriptorium.actors.architect import Architect
from scriptorium.actors.assigner import Assigner
from scriptorium.actors.by_hand import Onlooker
from scriptorium.actors.events import ServiceStopping, Trouble
from scriptorium.actors.idle import leftovers
from scriptorium.actors.manager import Manager
from scriptorium.actors.merge_queue import MergeQueue
from scriptorium.actors.messages import LookAgain
from scriptorium.actors.news import MAILBOX_CAPACITY
from scriptorium.actors.pin_keeping import let_pins_go
from scriptorium.actors.plan_packing import keep_packed
from scriptorium.actors.pushing import Pusher
from scriptorium.actors.reconciler import Reconciler
from scriptorium.actors.set_aside import tell_what_is_set_aside
from scriptorium.actors.watcher import ref_files, watch
from scriptorium.actors.world import View, World, stop_grace_seconds
from scriptorium.code.evidence import VerdictStore
from scriptorium.code.linked import worktrees_of_others
from scriptorium.code.places import base_worktree, remove_worktree
from scriptorium.code.recheck_request import RECHECK_NAME, take_recheck
from scriptorium.code.spare import discard_spares
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.snapshot import Snapshot
from scriptorium.runtime import Backoff, ChildSpec, Intensity, Supervisor

SETTLE_SECONDS = 2.0
"""After the agents' grace: to kill, pin and write down."""

LOOK_AGAIN_SECONDS = 1.0

INTENSITY = Intensity(restarts=10, period_seconds=120.0)
BACKOFF = Backoff(first_seconds=0.5, cap_seconds=15.0)
"""A repository that cannot be worked with for half a minute or so (a network disk) does not end the service;
one that cannot be for longer does, and whoever started it starts it again."""


@frozen
class Report:
    """How a service ended: with `until_idle` what is left to do; a service that was stopped says nothing."""

    leftovers: tuple[str, ...] = ()
    stopped: bool = False


async def run_actors(world: World, verdicts: VerdictStore, *, until_idle: bool, stop: trio.Event) -> Report:
    """Run the actors until `stop` is set, or (`until_idle`) until nothing can be done without someone else.

    Whatever ends it, the actors are stopped in the reverse order of their start and no agent or check is
    left running. Raises `SupervisorFailed` when an actor crashes again and again.
    """
    async with trio.open_nursery() as nursery:
        look = partial(_look_again, world, Onlooker())  # one for all looks: what was said is not said again
        nursery.start_soon(watch, look, partial(_watched, world), world.watch_seconds)
        nursery.start_soon(keep_packed, world)
        nursery.start_soon(tell_what_is_set_aside, world)
        nursery.start_soon(let_pins_go, world)
        async with (
            Supervisor("agents", events=world.events, concurrent_stop=True) as agents,
            Supervisor(
                "scriptorium",
                events=world.events,
                intensity=INTENSITY,
                backoff=BACKOFF,
                random=world.random,
            ) as supervisor,
        ):
            for spec in _children(world, verdicts, agents):
                world.news.expect(spec.id)
            for spec in _children(world, verdicts, agents):
                await supervisor.start_child(spec)
            report = await _end(world, until_idle=until_idle, stop=stop)
            await _wind_down(world, report)
        await look()  # what others did in the last second is said too
        nursery.cancel_scope.cancel()
    await _clear_away(world)
    return report


async def _clear_away(world: World) -> None:
    """The base worktree and spares are conveniences of a running service; a crash leaves them to the next."""
    what = {
        "the worktree of the base branch": partial(
            remove_worktree, world.project, base_worktree(world.project)
        ),
        "the folders kept for other worktrees": partial(discard_spares, world.project),
    }
    for name, remove in what.items():
        try:
            await world.offload(remove)
        except OSError as error:
            world.events.publish(Trouble(f"cannot remove {name}: {error}"))


def _children(world: World, verdicts: VerdictStore, agents: Supervisor) -> Iterable[ChildSpec[LookAgain]]:
    factories: tuple[tuple[str, Callable[[], Reconciler]], ...] = (
        (MergeQueue.name, partial(MergeQueue, world, verdicts)),
        *(((Pusher.name, partial(Pusher, world, world.remote)),) if world.remote else ()),
        (Assigner.name, partial(Assigner, world, agents)),
        (Manager.name, partial(Manager, world)),
        (Architect.name, partial(Architect, world)),
    )
    for name, factory in factories:
        yield ChildSpec(id=name, factory=factory, mailbox_capacity=MAILBOX_CAPACITY, stop_grace_seconds=1.0)


async def _look_again(world: World, onlooker: Onlooker) -> bool:
    """Another program changed something that matters: have it known. False when that failed."""
    try:
        view = await world.look(afresh=True)
        await onlooker.look(world, view.snapshot)
    except Exception as error:  # nobody restarts the watcher
        world.events.publish(Trouble(f"cannot look at the repository: {error!r}"))
        return False
    if take_recheck(world.project.state_dir):
        world.recheck()
    world.news.publish()
    return True


def _watched(world: World) -> Iterable[Path]:
    yield from ref_files(world.project.git_dir, (PLAN_REF, f"refs/heads/{world.branch}"))
    yield world.project.state_dir / RECHECK_NAME
    if world.conditions.blocked is not None:
        # What is in the way may be in the index of a checkout alone; and a person may take a checkout to
        # another branch, which need not touch index or files.
        for own in (world.project.git_dir, *(own for own, _ in worktrees_of_others(world.project))):
            yield from (own / "index", own / "index.lock", own / "HEAD")
        for file in world.conditions.blocked.files:
            yield world.project.root / file


async def _end(world: World, *, until_idle: bool, stop: trio.Event) -> Report:
    """Wait for the stop, or for idleness if that is asked for."""
    report = Report(stopped=True)

    async def watch_for_idleness() -> None:
        nonlocal report
        snapshot = await _idle(world)
        report = Report(leftovers(snapshot, world.conditions))
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        if until_idle:
            nursery.start_soon(watch_for_idleness)
        await stop.wait()
        nursery.cancel_scope.cancel()
    return report


async def _idle(world: World) -> Snapshot:
    """Wait until every actor has seen the present state of everything and nobody is at work."""
    while True:
        changed = world.news.next_change()
        try:
            # What is known first, as it costs nothing; the last word has git.
            if _is_idle(world, await world.look()):
                view = await world.look(afresh=True)
                if _is_idle(world, view):
                    return view.snapshot
        except Exception as error:  # nobody restarts this task, and a look can be had again
            world.events.publish(Trouble(f"cannot look whether all is done: {error!r}"))
            await trio.sleep(LOOK_AGAIN_SECONDS)
            continue
        await changed.wait()


def _is_idle(world: World, view: View) -> bool:
    if world.plan.blocked is not None:  # whoever wants to go on waits for a person
        return not world.crew.statistics().taken
    return world.crew.is_empty and world.news.all_rest(view.seen)


async def _wind_down(world: World, report: Report) -> None:
    """No new work; the agents get their grace, then what they did is pinned and written down."""
    if report.stopped:
        world.events.publish(ServiceStopping("asked to"))
    world.stopping.set()
    with trio.move_on_after(stop_grace_seconds(world.config) + SETTLE_SECONDS):
        await world.crew.dismissed()
