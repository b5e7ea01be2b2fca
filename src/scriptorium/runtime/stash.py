"""Messages that an actor puts aside until it can handle them."""

import trio

from scriptorium.runtime.cell import NOTHING, STASHED, Cell
from scriptorium.runtime.errors import StashFull


@trio.lowlevel.enable_ki_protection
def put_aside(cell: Cell) -> None:
    """Put the message being handled into the stash. Until its handling is over a crash can still take it."""
    if cell.current is NOTHING or cell.task is not trio.lowlevel.current_task():
        raise RuntimeError(f"actor {cell.name!r} has no message to put aside: call stash() inside handle")
    if cell.current is STASHED:
        raise RuntimeError(f"actor {cell.name!r} has put aside this message already")
    if len(cell.stash) >= cell.stash_capacity:
        raise StashFull(cell.name, cell.stash_capacity)
    cell.stash.append(cell.current)
    cell.current = STASHED
    cell.put_aside += 1


@trio.lowlevel.enable_ki_protection
def take_back(cell: Cell) -> None:
    """Put the stash in front of the mailbox, except for a message whose handling is not over yet."""
    if not cell.stash:
        return
    kept = cell.stash[-1:] if cell.current is STASHED else []
    back = cell.stash[: len(cell.stash) - len(kept)]
    cell.stash = kept
    cell.mailbox.put_back(back)
