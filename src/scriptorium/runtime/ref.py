"""The one way to reach an actor: a handle that stays the same through all its restarts."""

from typing import Any, Generic, TypeVar, final

import trio

from scriptorium.runtime.cell import ActorStatistics, Cell, current_cell
from scriptorium.runtime.errors import ActorStopped, AskCycle, MailboxFull
from scriptorium.runtime.messages import Asked, Request
from scriptorium.runtime.reasons import StopReason

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


@final
class Ref(Generic[M_contra]):
    """Made by `Supervisor.start_child`. Tells and asks one actor, inside one trio run."""

    __slots__ = ("_cell", "_mailbox")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._mailbox = cell.mailbox

    @property
    def name(self) -> str:
        return self._cell.name

    def __repr__(self) -> str:
        return f"<Ref {self._cell.name!r} {self._cell.state.value}>"

    async def tell(self, message: M_contra) -> None:
        """Put the message into the mailbox, waiting while it is full.

        With room in the mailbox this is no checkpoint: it neither waits nor looks for cancellation
        (a loop of tells still ends up waiting for the receiver). Cancelled while waiting, the
        message was not put. Raises `ActorStopped`.
        """
        mailbox = self._mailbox
        if len(mailbox.items) < mailbox.room:
            mailbox.items.append(message)
            if mailbox.receiver is not None:
                mailbox.wake()
        else:
            await mailbox.put(message)

    def tell_nowait(self, message: M_contra) -> None:
        """Put the message into the mailbox now. Raises `MailboxFull` or `ActorStopped`."""
        mailbox = self._mailbox
        if len(mailbox.items) < mailbox.room:
            mailbox.items.append(message)
            if mailbox.receiver is not None:
                mailbox.wake()
        elif mailbox.reason is not None:
            raise ActorStopped(self.name, mailbox.reason)
        else:
            raise MailboxFull(self.name, mailbox.capacity)

    async def ask(self, message: Request[R], *, timeout_seconds: float | None = None) -> R:
        """Put the request into the mailbox and wait for the reply. It always ends.

        Returns what ``handle`` returned. Raises the callee's error when it crashed on this request,
        `ActorStopped` when it ended before it replied, `trio.TooSlowError` at the timeout (which
        includes the wait for room), `AskCycle` when the callee waits for the caller. Cancelled or
        timed out, the request may still be handled; its reply is dropped.
        """
        if timeout_seconds is None:
            return await self._ask(message)
        with trio.fail_after(timeout_seconds):
            return await self._ask(message)

    async def _ask(self, message: Request[R]) -> R:
        caller = current_cell.get()
        if caller is None or caller.task is not trio.lowlevel.current_task():
            return await self._exchange(message)
        _refuse_cycle(caller, self._cell)
        caller.asking = self._cell
        try:
            return await self._exchange(message)
        finally:
            caller.asking = None

    async def _exchange(self, message: Request[R]) -> R:
        await trio.lowlevel.checkpoint_if_cancelled()
        asked = Asked(message)
        await self._mailbox.put(asked)
        reply: Any = await asked.answer()
        return reply  # type: ignore[no-any-return]  # Request[R] says what handle returns

    def statistics(self) -> ActorStatistics:
        return self._cell.statistics()

    async def wait_stopped(self) -> StopReason:
        """Wait until the actor has ended for good (a restart is not that), and return why."""
        await self._cell.stopped.wait()
        reason = self._mailbox.reason
        assert reason is not None, "an actor stops with a reason"  # noqa: S101
        return reason


def _refuse_cycle(caller: Cell, callee: Cell) -> None:
    names = [caller.name, callee.name]
    at: Cell = callee
    while at is not caller:
        if at.asking is None:
            return
        at = at.asking
        names.append(at.name)
    raise AskCycle(tuple(names))
