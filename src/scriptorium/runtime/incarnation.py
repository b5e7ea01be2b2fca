"""One life of an actor: start, handle messages, stop, in a nursery of its own."""

from typing import Any

import trio

from scriptorium.runtime.actor import Actor, Context
from scriptorium.runtime.cell import NOTHING, ActorState, Cell, current_cell
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.errors import ActorHung, sole_error
from scriptorium.runtime.events import ChildStarted
from scriptorium.runtime.messages import Asked
from scriptorium.runtime.ref import Ref

BATCH = 64
"""Messages handled between two checkpoints. Fewer cost throughput, more cost fairness."""


class Incarnation:
    """Lives once. The supervisor starts `live` in a task and hears of its end by its return."""

    def __init__(self, spec: ChildSpec[Any], cell: Cell) -> None:
        self.started = False
        self.start_decided = trio.Event()
        self.over = trio.Event()
        self._spec = spec
        self._cell = cell
        self._stopping = False
        self._hung: ActorHung | None = None
        # Shielded, so that a cancellation from above reaches the supervisor, who stops its children
        # in order, and not all of them at once.
        self._whole = trio.CancelScope(shield=True)
        self._work = trio.CancelScope()
        self._farewell = trio.CancelScope(shield=True)

    @trio.lowlevel.disable_ki_protection
    async def live(self) -> Exception | None:
        """Run until stopped or crashed. Returns the error of a crash, None after any other end.

        An error while stopping is returned too. What is no `Exception` (KeyboardInterrupt) is raised.
        """
        self._cell.task = trio.lowlevel.current_task()
        current_cell.set(self._cell)
        try:
            with self._whole:
                async with trio.open_nursery() as nursery:
                    await self._start_serve_stop(nursery)
                    nursery.cancel_scope.cancel()
        except Exception as error:
            crash = sole_error(error)
            return crash if isinstance(crash, Exception) else error
        finally:
            self._cell.task = None
        return self._hung

    async def _start_serve_stop(self, nursery: trio.Nursery) -> None:
        cell = self._cell
        context: Context[Any] = Context(cell.name, Ref(cell), nursery, cell.events, self._finish_and_stop)
        with self._work:
            actor = self._spec.factory()
            await actor.on_start(context)
            self._announce_start()
            await self._serve(actor)
        if self.started:
            cell.state = ActorState.STOPPING
            self._farewell.deadline = trio.current_time() + self._spec.stop_grace_seconds
            with self._farewell:
                await actor.on_stop()

    def _announce_start(self) -> None:
        cell = self._cell
        self.started = True
        self.start_decided.set()
        cell.started_once = True
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
                if self._stopping:
                    return
                if not items:
                    await mailbox.wait()
                    break
                cell.current = item = items.popleft()
                if senders:
                    mailbox.admit()
                if type(item) is Asked:
                    item.reply(await handle(item.message))
                else:
                    await handle(item)
                cell.current = NOTHING
                cell.handled += 1
            else:
                await trio.lowlevel.checkpoint()

    def _finish_and_stop(self) -> None:
        self._stopping = True
        self._cell.mailbox.wake()

    def stop(self) -> None:
        """Stop in order: the message being handled gets the grace, an unfinished start gets none."""
        self._cell.state = ActorState.STOPPING
        self._finish_and_stop()
        if self.started:
            grace_ends = trio.current_time() + self._spec.stop_grace_seconds
            self._work.deadline = min(self._work.deadline, grace_ends)
        else:
            self._work.cancel()

    def kill(self, hung: ActorHung | None = None) -> None:
        """Cancel everything of it now, ``on_stop`` included; with ``hung``, that is its crash."""
        self._hung = self._hung or hung
        self._whole.cancel()
        self._farewell.cancel()
