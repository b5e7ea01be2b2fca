"""The MergeQueue by itself, on a plan in which there is nothing else to do, and when it was done."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import trio

from benchmarks.landing.site import BASE
from scriptorium.actors.events import Landed, PushedToRemote
from scriptorium.actors.merge_queue import MergeQueue
from scriptorium.actors.news import MAILBOX_CAPACITY
from scriptorium.actors.plan_packing import keep_packed
from scriptorium.actors.pushing import Pusher
from scriptorium.actors.world import Checks, World
from scriptorium.code.evidence import Result, Verdict, VerdictStore
from scriptorium.code.remote import Remote
from scriptorium.code.repository import Project
from scriptorium.config import Config
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.runtime import ChildSpec, EventStream, Supervisor, in_thread
from scriptorium.testing import FunctionAgents, FunctionChecks, make_world

CONFIG = Config(base_branch=BASE)


class FoundGreen(VerdictStore):
    """Knows of every tree that it is green: landing, without the checks."""

    def get(self, tree: Oid, checks_key: str) -> Verdict | None:
        """A green verdict."""
        return Verdict(tree, checks_key, Result.GREEN)


class Landings(EventStream):
    """Events, of which it notes when a ticket had landed: its branch, its plan and all.

    Tickets that are `held` as by their agents are let go one by one, each when the one before has landed.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self.held: list[TicketId] = []
        self.let_go: Callable[[TicketId], None]
        self.times: list[float] = []
        self.all_landed = trio.Event()
        self.pushed: str | None = None
        self.was_pushed = trio.Event()
        self._wanted = wanted

    def publish(self, event: object) -> None:
        """As any stream does; and it looks at the clock."""
        super().publish(event)
        if isinstance(event, Landed):
            self.times.append(time.perf_counter())
            if self.held:
                self.let_go(self.held.pop(0))
            if len(self.times) == self._wanted:
                self.all_landed.set()
        if isinstance(event, PushedToRemote):
            self.pushed = event.commit
            self.was_pushed.set()
            self.was_pushed = trio.Event()


async def _no_agent(*_job: object) -> AgentOutcome:
    raise AssertionError("nothing is to be worked on")


async def _land_all(
    project: Project,
    wanted: int,
    make_checks: Callable[[], Checks],
    verdicts: VerdictStore,
    remote: Remote | None,
    *,
    one_by_one: bool,
) -> list[float]:
    stream = Landings(wanted)
    world = make_world(
        project,
        FunctionAgents(_no_agent),
        make_checks(),
        config=CONFIG,
        offload=in_thread,
        events=stream,
        remote=remote,
    )
    if one_by_one:
        snapshot = await world.plan.read()
        stream.let_go = world.crew.let_go
        stream.held = [entry.ticket for entry in snapshot.pending[1:]]
        for ticket in stream.held:
            world.crew.hold(ticket)
    spec = ChildSpec(
        id=MergeQueue.name,
        factory=partial(MergeQueue, world, verdicts),
        mailbox_capacity=MAILBOX_CAPACITY,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_packed, world)
        async with Supervisor("queue", events=stream) as supervisor:
            await supervisor.start_child(spec)
            if remote is not None:
                push = partial(Pusher, world, remote)
                await supervisor.start_child(
                    ChildSpec(id=Pusher.name, factory=push, mailbox_capacity=MAILBOX_CAPACITY)
                )
            await stream.all_landed.wait()
            while remote is not None and stream.pushed != world.read_tip():
                await stream.was_pushed.wait()
                stream.times[-1] = time.perf_counter()
        nursery.cancel_scope.cancel()
    _require_landed(world, wanted)
    return stream.times


def _require_landed(world: World, wanted: int) -> None:
    snapshot = world.plan.latest
    assert snapshot is not None
    assert not snapshot.pending, f"{len(snapshot.pending)} of {wanted} are still in the queue"


def landing_times(
    project: Project,
    wanted: int,
    make_checks: Callable[[], Checks],
    verdicts: VerdictStore | None = None,
    remote: Remote | None = None,
    *,
    one_by_one: bool = False,
) -> list[float]:
    """Run the queue until so many tickets have landed; the time of each, in seconds of a clock.

    With a `remote`, the last is when all of them have been pushed there. `one_by_one`: each may land when
    the one before has; else it is merged and checked meanwhile.
    """
    store = verdicts or VerdictStore(project.state_dir / "verdicts")
    land_all = partial(_land_all, one_by_one=one_by_one)
    return trio.run(land_all, project, wanted, make_checks, store, remote)


def landing_seconds(project: Project, wanted: int) -> list[float]:
    """The seconds of each landing but the first, checks excluded: from one ticket landed to the next.

    One by one, so that all of a landing is in its time: its merge too, which would else be made before.
    """
    store = FoundGreen(project.state_dir / "verdicts", fsync=False)
    times = landing_times(project, wanted, FunctionChecks, store, one_by_one=True)
    return [after - before for before, after in pairwise(times)]
