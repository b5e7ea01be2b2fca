"""The one way to reach an actor: a handle that stays the same through all its restarts."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, TypeVarTuple, final

import trio

from scriptorium.runtime import intake
from scriptorium.runtime.cell import NOTHING, ActorStatistics, Cell, current_cell
from scriptorium.runtime.control import Inspection
from scriptorium.runtime.errors import ActorStopped, AskCycle
from scriptorium.runtime.intercept import Interceptor
from scriptorium.runtime.messages import Answer, Envelope, Request
from scriptorium.runtime.reasons import StopReason

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


@final
class Ref(Generic[M_contra]):
    """Made by `Supervisor.start_child`. Tells and asks one actor, inside one trio run.

    Refs of the same actor are equal. Another actor of the same id, started later, has another.
    """

    __slots__ = ("_cell", "_mailbox")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._mailbox = cell.mailbox

    @property
    def name(self) -> str:
        return self._cell.name

    def __repr__(self) -> str:
        return f"<Ref {self._cell.name!r} {self._cell.state.value}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and self._cell is other._cell

    def __hash__(self) -> int:
        return hash(self._cell)

    # ---- messages

    async def tell(self, message: M_contra) -> None:
        """Put the message into the mailbox. What happens when it is full, `ChildSpec.overflow` says.

        Unless it waits for room, this is no checkpoint: it does not look for cancellation either (a
        loop of tells still ends up waiting for the receiver). Cancelled while waiting, the message
        was not put. Raises `ActorStopped`, and `MailboxFull` under ``Overflow.FAIL``.
        """
        mailbox = self._mailbox
        if len(mailbox.items) < mailbox.room:
            mailbox.items.append(message)
            if mailbox.receiver is not None:
                mailbox.wake()
        else:
            await intake.put(self._cell, message)

    def tell_nowait(self, message: M_contra) -> None:
        """Put the message into the mailbox now. Raises `ActorStopped`; `MailboxFull` as `Overflow` says."""
        mailbox = self._mailbox
        if len(mailbox.items) < mailbox.room:
            mailbox.items.append(message)
            if mailbox.receiver is not None:
                mailbox.wake()
        else:
            intake.put_nowait(self._cell, message)

    async def ask(self, message: Request[R], *, timeout_seconds: float | None = None) -> R:
        """Put the request into the mailbox and wait for the reply. It always ends.

        Returns what ``handle`` returned. Raises the callee's error when it crashed on this request,
        `ActorStopped` when it ended before it replied, `MailboxFull` or `MessageDropped` when the
        mailbox was full and `Overflow` says so, `trio.TooSlowError` at the timeout (which includes
        the wait for room), `AskCycle` when the callee waits for the caller. Cancelled or timed out,
        the request may still be handled; its reply is dropped.
        """
        if timeout_seconds is not None:
            with trio.fail_after(timeout_seconds):
                return await self.ask(message)
        if _calling_actor() is None:  # the way without another frame, as each costs at each wake-up
            return await self._exchange(message)
        return await self._as_asker(self._exchange, message)

    async def _exchange(self, message: Request[R]) -> R:
        await trio.lowlevel.checkpoint_if_cancelled()
        answer, mailbox = Answer(), self._mailbox
        if len(mailbox.items) < mailbox.room:
            mailbox.add(Envelope(message, answer))
        else:
            await intake.put(self._cell, message, answer)
        reply: Any = await answer.wait()
        return reply  # type: ignore[no-any-return]  # Request[R] says what handle returns

    # ---- control: passes the messages in the mailbox

    async def suspend(self) -> None:
        """Have the actor handle no message until `resume`. Returns when it is between two messages.

        It stays suspended over a restart; its background tasks, timers and stop go on, and its
        mailbox fills. Suspending again changes nothing. Raises `ActorStopped` when the actor ends
        first, `AskCycle` when it waits for the caller. Cancelled, this call has suspended nothing.
        """
        await self._as_asker(self._suspend)

    async def _suspend(self) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._refuse_if_ended()
        self._mailbox.urgent = True
        await self._cell.control_lane().suspend(busy=self._cell.current is not NOTHING)

    def resume(self) -> None:
        """Have a suspended actor go on, however often it was suspended. Else nothing happens."""
        if self._cell.control is not None:
            self._cell.control.resume()
            self._mailbox.wake()

    async def inspect(self) -> Inspection:
        """Look into the actor between two messages, before any that waits; also while it is suspended.

        Waits through a restart. Raises what `Actor.inspect` raised, `ActorStopped` when the actor
        ends first, `AskCycle` when it waits for the caller. Cancelled, nothing was asked for.
        """
        return await self._as_asker(self._inspect)

    async def _inspect(self) -> Inspection:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._refuse_if_ended()
        self._mailbox.hurry()
        return await self._cell.control_lane().inspect()

    async def _as_asker(self, wait: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> R:
        """Wait for what only this actor can give. Raises `AskCycle` if it waits for the caller."""
        caller = _calling_actor()
        if caller is None:
            return await wait(*args)
        _refuse_cycle(caller, self._cell)
        caller.asking = self._cell
        try:
            return await wait(*args)
        finally:
            caller.asking = None

    def _refuse_if_ended(self) -> None:
        reason = self.stop_reason
        if reason is not None:
            raise ActorStopped(self.name, reason)

    # ---- looking on

    def statistics(self) -> ActorStatistics:
        """The actor at this moment; costs it nothing."""
        return self._cell.statistics()

    def trace(self, on: bool) -> None:
        """Publish a `MessageTraced` for what happens to each message put from now on, or no longer.

        Messages put before keep what they had. A traced message costs several times as much.
        """
        self._cell.trace(on)

    def intercept(self, interceptor: Interceptor | None) -> None:
        """Let the function decide about each message from now on; None ends it. For tests.

        It sees what `tell`, `tell_nowait`, `ask`, timers and watches put.
        """
        self._cell.intercept(interceptor)

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the actor has ended for good; None while it has not."""
        return self._mailbox.reason if self._cell.stopped.is_set else None

    async def wait_stopped(self) -> StopReason:
        """Wait until the actor has ended for good (a restart is not that), and return why."""
        await self._cell.stopped.wait()
        reason = self.stop_reason
        assert reason is not None, "an actor stops with a reason"  # noqa: S101
        return reason


def _calling_actor() -> Cell | None:
    """The actor whose own task this is: in a task that it started, it goes on while this one waits."""
    cell = current_cell.get()
    return cell if cell is not None and cell.task is trio.lowlevel.current_task() else None


def _refuse_cycle(caller: Cell, callee: Cell) -> None:
    names = [caller.name, callee.name]
    at: Cell = callee
    while at is not caller:
        if at.asking is None:
            return
        at = at.asking
        names.append(at.name)
    raise AskCycle(tuple(names))
