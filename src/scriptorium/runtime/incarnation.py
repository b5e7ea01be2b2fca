"""One life of an actor: start, handle messages, stop, in a nursery of its own."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from scriptorium.runtime.actor import Actor, Context
from scriptorium.runtime.cell import NOTHING, ActorState, Cell, current_cell
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.errors import ActorHung, StartTimedOut, sole_error
from scriptorium.runtime.events import ChildStarted
from scriptorium.runtime.flag import Flag
from scriptorium.runtime.messages import Envelope
from scriptorium.runtime.reasons import StopReason
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.stash import take_back

BATCH = 64
"""Messages handled between two checkpoints. Fewer cost throughput, more cost fairness."""


class Incarnation:
    """Lives once. The supervisor starts `live` in a task and hears of its end by its return."""

    __slots__ = (
        "_cell",
        "_drain_ends",
        "_farewell",
        "_hung",
        "_killed",
        "_nursery",
        "_spec",
        "_stopping",
        "_work",
        "over",
        "start_decided",
        "started",
    )

    def __init__(self, spec: ChildSpec[Any], cell: Cell) -> None:
        self.started = False
        self.start_decided = Flag()
        self.over = Flag()
        self._spec = spec
        self._cell = cell
        self._stopping = False
        self._drain_ends = -math.inf
        self._killed = False
        self._hung: ActorHung | None = None
        self._work = trio.CancelScope(shield=True)
        self._farewell: trio.CancelScope | None = None
        self._nursery: trio.Nursery | None = None

    @trio.lowlevel.disable_ki_protection
    async def live(self) -> Exception | None:
        """Run until stopped or crashed. Returns the error of a crash, None after any other end.

        An error while stopping is returned too. What is no `Exception` (KeyboardInterrupt) is raised.
        """
        take_back(self._cell)  # what the incarnation before this one put aside
        self._cell.task = trio.lowlevel.current_task()
        current_cell.set(self._cell)
        try:
            if not self._stopping:  # else it was told to before its first step: then it never starts
                await self._live(self._spec.factory())
        except Exception as error:
            crash = sole_error(error)
            return crash if isinstance(crash, Exception) else error
        finally:
            self._cell.task = self._cell.running_since = None
        return self._hung

    @property
    def ending(self) -> bool:
        """It is stopping, has crashed, was killed, or is over."""
        crashed = self._nursery is not None and self._nursery.cancel_scope.cancel_called
        return self._stopping or self._killed or crashed

    async def _live(self, actor: Actor[Any]) -> None:
        """All of it is shielded, so that a cancellation from above reaches the supervisor, who stops its
        children in order, and not all of them at once.
        """
        if type(actor).on_start is Actor.on_start and type(actor).on_stop is Actor.on_stop:
            # It never gets a context, so that it can start no task: what a nursery costs is saved.
            with self._work:
                self._announce_start()
                await self._serve(actor)
            return
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.shield = True
            self._nursery = nursery
            await self._start_serve_stop(actor, nursery)
            nursery.cancel_scope.cancel()

    async def _start_serve_stop(self, actor: Actor[Any], nursery: trio.Nursery) -> None:
        cell = self._cell
        context: Context[Any] = Context(cell.name, Ref(cell), nursery, cell.events, self)
        self._work.shield = False  # what cancels the nursery, a crash of a task in it, ends this too
        with self._work:
            # The runtime's own on_start does nothing, for which there need be no limit.
            if type(actor).on_start is Actor.on_start or await self._start_in_time(actor, context):
                self._announce_start()
                await self._serve(actor)
        if not self.started and trio.current_time() >= self._work.deadline:
            raise StartTimedOut(cell.name, self._spec.start_limit_seconds or 0.0)
        if self.started:
            cell.state = ActorState.STOPPING
            self._farewell = trio.CancelScope(shield=True)
            self._farewell.deadline = trio.current_time() + self._spec.stop_grace_seconds
            if self._killed:
                self._farewell.cancel()
            with self._farewell:
                await actor.on_stop()

    async def _start_in_time(self, actor: Actor[Any], context: Context[Any]) -> bool:
        if self._spec.start_limit_seconds is not None:
            self._work.deadline = trio.current_time() + self._spec.start_limit_seconds
        await actor.on_start(context)
        if trio.current_time() >= self._work.deadline:
            return False
        self._work.deadline = math.inf
        return True

    def _announce_start(self) -> None:
        cell = self._cell
        self.started = True
        self.start_decided.set()
        cell.started_once = True
        cell.running_since = trio.current_time()
        if cell.names is not None and cell.registered_name is not None:
            cell.names.publish(cell.registered_name, Ref(cell))
        cell.start_settled.set()
        if not self._stopping:
            cell.state = ActorState.RUNNING
        cell.events.publish(ChildStarted(cell.supervisor, cell.name, cell.incarnation))

    async def _serve(self, actor: Actor[Any]) -> None:
        cell = self._cell
        mailbox = cell.mailbox
        items, senders, handle = mailbox.items, mailbox.senders, actor.handle
        while True:
            for _ in range(BATCH):
                if mailbox.urgent and await self._attend(actor):
                    return
                if not items:
                    await mailbox.wait()
                    break
                cell.current = item = items.popleft()
                if senders:
                    mailbox.admit()
                if type(item) is Envelope:
                    if item.trace is None and item.fault is None:
                        reply = await handle(item.message)
                    else:
                        reply = await self._handle_strange(item, handle)
                    if cell.current is item:  # else it is in the stash
                        item.close(reply)
                else:
                    await handle(item)
                cell.current = NOTHING
                cell.handled += 1
            else:
                await trio.lowlevel.checkpoint()

    async def _handle_strange(self, envelope: Envelope, handle: Callable[[Any], Awaitable[object]]) -> object:
        if envelope.fault is not None:
            raise envelope.fault
        assert envelope.trace is not None, "there is something strange about it"  # noqa: S101
        with envelope.trace.handling():
            return await handle(envelope.message)

    async def _attend(self, actor: Actor[Any]) -> bool:
        """Do what has precedence over messages, between two of them. True: the serving is over."""
        cell, mailbox = self._cell, self._cell.mailbox
        while not self._stopping or self._drains():
            if cell.control is not None:
                cell.control.answer(actor, cell.statistics)
            if not cell.suspended:
                mailbox.urgent = self._stopping
                return False
            await mailbox.wait()
        return True

    def _drains(self) -> bool:
        mailbox = self._cell.mailbox
        return bool(mailbox.items) and not self._cell.suspended and trio.current_time() < self._drain_ends

    def finish(self) -> None:
        """End in order after the message being handled."""
        self._stopping = True
        self._cell.mailbox.hurry()

    def stop(self, final: StopReason | None = None) -> None:
        """Stop in order: the message being handled gets the grace, an unfinished start gets none.

        With the reason for which it is ``final``, the mailbox is drained first, as far as the spec allows.
        """
        self._cell.state = ActorState.STOPPING
        drain_seconds = 0.0 if final is None or not self.started else self._spec.drain_seconds
        if final is not None and drain_seconds > 0:
            self._cell.mailbox.refuse(final)
            self._drain_ends = trio.current_time() + drain_seconds
        self.finish()
        if self.started:
            grace_ends = trio.current_time() + drain_seconds + self._spec.stop_grace_seconds
            self._work.deadline = min(self._work.deadline, grace_ends)
        else:
            self._work.cancel()

    def kill(self, hung: ActorHung | None = None) -> None:
        """Cancel everything of it now, ``on_stop`` included; with ``hung``, that is its crash."""
        self._hung = self._hung or hung
        self._killed = True
        # A handler that is not reached by the cancellation returns: no other message may be begun then, as
        # its first checkpoint would cancel that one too, which may be for the next incarnation to handle.
        self._drain_ends = -math.inf
        self.finish()
        self._work.cancel()
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()
        if self._farewell is not None:
            self._farewell.cancel()
