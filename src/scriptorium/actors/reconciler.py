"""The shape of the four actors that look at the plan branch: woken by news, look, act, rest."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import trio

from scriptorium.actors.crew import Place
from scriptorium.actors.messages import LookAgain
from scriptorium.actors.pause import Pauses
from scriptorium.actors.world import Role, View, World
from scriptorium.runtime import Actor, Context


class Reconciler(Actor[LookAgain]):
    """Looks at the world after every piece of news and does what follows from it.

    The work runs in a task of the incarnation's nursery, so that the mailbox stays responsive and a stop
    cancels the work at once. A crash in the work is a crash of the actor; the restart begins with a look.
    """

    name: ClassVar[str]

    def __init__(self, world: World) -> None:
        self.world = world
        self._wake = trio.Event()
        self._alarm: trio.CancelScope | None = None
        self._context: Context[LookAgain] | None = None

    @property
    def nursery(self) -> trio.Nursery:
        """Where tasks of this incarnation run."""
        if self._context is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._context.nursery

    async def on_start(self, context: Context[LookAgain]) -> None:
        """Subscribe to the news and begin with a look."""
        self._context = context
        self.world.news.subscribe(self.name, context.ref)
        context.nursery.start_soon(self._work)

    async def handle(self, message: LookAgain) -> None:
        """Wake the work; news that comes during a look leads to one more look."""
        self._wake.set()

    async def _work(self) -> None:
        while True:
            self._wake = trio.Event()
            self.world.news.busy(self.name)
            view = await self.world.look()
            if await self.reconcile(view):
                self.world.news.rest(self.name, view.generation, view.seen)
            await self._wake.wait()

    @abstractmethod
    async def reconcile(self, view: View) -> bool:
        """Do what follows from the view. True: nothing is left to do, or under way, as of this view.

        Cancelled at any await it leaves what a crash there would leave; the next look deals with it.
        """

    def waits(self, pauses: Pauses) -> bool:
        """Whether there is something to wait for; if so, the next look is at that time."""
        times = [time for time in (pauses.missing.until, pauses.trouble.until) if time is not None]
        if times:
            self.wake_at(max(times))
        return bool(times)

    def place_for(self, role: Role) -> Place | None:
        """A place for an agent of this role; when there is none for a time alone, the next look is then."""
        harness = self.world.agents.harness_name(role)
        place = self.world.crew.try_place(harness)
        if place is None and (until := self.world.crew.throttle(harness).until) is not None:
            self.wake_at(until)
        return place

    def held_back(self, role: Role) -> bool:
        """Whether no agent of this role may start before some time."""
        return self.world.crew.throttle(self.world.agents.harness_name(role)).until is not None

    def wake_at(self, time: float) -> None:
        """Look again at that time of the trio clock, unless a later call replaces it."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = trio.CancelScope()
        self.nursery.start_soon(self._ring, self._alarm, time)

    async def _ring(self, alarm: trio.CancelScope, time: float) -> None:
        with alarm:
            await trio.sleep_until(time)
            self.nudge()

    def nudge(self) -> None:
        """Look again soon: a task that this actor started has finished."""
        self._wake.set()
