"""The way into a mailbox for every message that does not simply fit: full, closed, traced, intercepted."""

from collections.abc import Coroutine, Iterator
from typing import Any, assert_never

import trio

from scriptorium.runtime.cell import Cell, current_cell
from scriptorium.runtime.errors import ActorStopped, MailboxFull
from scriptorium.runtime.events import DeadLetterCause
from scriptorium.runtime.intercept import Crash, Delay, Verdict
from scriptorium.runtime.messages import Answer, Envelope
from scriptorium.runtime.overflow import Overflow
from scriptorium.runtime.trace import Trace


def put(cell: Cell, message: object, answer: Answer | None = None) -> Coroutine[Any, Any, None]:
    """Put the message, waiting for room if that is the actor's policy. Cancelled, it was never put.

    Raises `ActorStopped`, before or while waiting, and `MailboxFull` if the policy says so.
    """
    mailbox = cell.mailbox
    if cell.overflow is Overflow.WAIT and 0 < mailbox.room <= len(mailbox.items):
        # Only full: what a fast sender meets all the time, so by the shortest way.
        return mailbox.wait_for_room(message if answer is None else Envelope(message, answer))
    return _put(cell, message, answer)


@trio.lowlevel.enable_ki_protection
async def _put(cell: Cell, message: object, answer: Answer | None) -> None:
    for item in _items(cell, message, answer):
        if not _offer(cell, item):
            await cell.mailbox.wait_for_room(item)


@trio.lowlevel.enable_ki_protection
async def put_or_drop(cell: Cell, message: object, answer: Answer | None = None) -> None:
    """Like `put`, but without `MailboxFull`: a message that finds no room is a dead letter."""
    for item in _items(cell, message, answer):
        try:
            if not _offer(cell, item):
                await cell.mailbox.wait_for_room(item)
        except MailboxFull:
            cell.drop(item, DeadLetterCause.OVERFLOW)


@trio.lowlevel.enable_ki_protection
def put_nowait(cell: Cell, message: object) -> None:
    """Put the message now. Raises `ActorStopped`, and `MailboxFull` if the policy is to wait or to fail."""
    for item in _items(cell, message, None):
        if not _offer(cell, item):
            raise _full(cell)


def _items(cell: Cell, message: object, answer: Answer | None) -> Iterator[object]:
    """What goes into the mailbox for the message: one item, or none if it is dealt with."""
    _refuse_if_closed(cell)
    match Verdict.PASS if cell.interceptor is None else cell.interceptor(message):
        case Verdict.PASS:
            yield _item(cell, message, answer)
        case Verdict.DROP:
            cell.drop(_item(cell, message, answer), DeadLetterCause.INJECTED)
        case Verdict.DUPLICATE:
            yield _item(cell, message, answer)
            # Only now: the message is in. Its double is nobody's to wait for, nor to hear of.
            if cell.mailbox.reason is None:
                cell.mailbox.add(_item(cell, message, answer))
        case Delay(seconds):
            _send_round(cell, Envelope(message, answer, _trace(cell, message)), seconds)
        case Crash(error):
            yield Envelope(message, answer, _trace(cell, message), error)
        case never:
            assert_never(never)


def _refuse_if_closed(cell: Cell) -> None:
    if cell.mailbox.reason is not None:
        raise ActorStopped(cell.name, cell.mailbox.reason)


def _item(cell: Cell, message: object, answer: Answer | None) -> object:
    trace = _trace(cell, message)
    return message if answer is None and trace is None else Envelope(message, answer, trace)


def _trace(cell: Cell, message: object) -> Trace | None:
    if not cell.traced:
        return None
    sender = current_cell.get()
    return Trace(cell.events, message, None if sender is None else sender.path, cell.path)


def _offer(cell: Cell, item: object) -> bool:
    """Put the item, or do with it what the policy says; False if that is to wait."""
    _refuse_if_closed(cell)
    mailbox = cell.mailbox
    if not mailbox.full:
        mailbox.add(item)
        return True
    match cell.overflow:
        case Overflow.WAIT:
            return False
        case Overflow.FAIL:
            raise _full(cell)
        case Overflow.DROP_OLDEST:
            cell.overflowed += 1
            cell.drop(mailbox.items.popleft(), DeadLetterCause.OVERFLOW)
            mailbox.add(item)
            return True
        case Overflow.DEAD_LETTER:
            cell.overflowed += 1
            cell.drop(item, DeadLetterCause.OVERFLOW)
            return True
        case _:
            assert_never(cell.overflow)


def _full(cell: Cell) -> MailboxFull:
    cell.overflowed += 1
    return MailboxFull(cell.name, cell.mailbox.capacity)


def _send_round(cell: Cell, envelope: Envelope, seconds: float) -> None:
    # A system task, as neither the sender's life nor this incarnation's decides what becomes of it.
    scope = trio.CancelScope()
    if cell.transit is None:
        cell.transit = {}
    cell.transit[envelope] = scope
    trio.lowlevel.spawn_system_task(_arrive, cell, envelope, scope, seconds, name=f"to {cell.path}")


async def _arrive(cell: Cell, envelope: Envelope, scope: trio.CancelScope, seconds: float) -> None:
    with scope:
        await trio.sleep(seconds)
    if cell.transit is not None and cell.transit.pop(envelope, None) is not None:
        cell.mailbox.add(envelope)  # else the actor has ended meanwhile, and has dealt with it
