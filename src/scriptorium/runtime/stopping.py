"""The order in which children are stopped, and the deadline after which they are forced to end."""

import logging
from collections.abc import Callable

import trio

from scriptorium.runtime.child import Child
from scriptorium.runtime.roster import Roster

_log = logging.getLogger("scriptorium.runtime")


async def stop_in_order(
    children: Roster,
    tell_to_stop: Callable[[Child], None],
    kill_all: Callable[[], None],
    *,
    concurrent: bool,
    deadline_seconds: float | None,
) -> None:
    """Stop the children, the last started first, each only after the one before has ended.

    Shielded from cancellation. With ``concurrent`` all are told first. ``kill_all`` is called at the
    deadline; code that does not let itself be cancelled is waited for even then, as trio has no other way.
    """
    with trio.CancelScope(shield=True):
        with trio.move_on_after(float("inf") if deadline_seconds is None else deadline_seconds) as limit:
            await _stop_one_by_one(children, tell_to_stop, concurrent=concurrent)
        if limit.cancelled_caught:
            _log.warning("forced to end at the stop deadline: %s", ", ".join(children))
            kill_all()
            await _stop_one_by_one(children, tell_to_stop, concurrent=concurrent)


async def _stop_one_by_one(
    children: Roster, tell_to_stop: Callable[[Child], None], *, concurrent: bool
) -> None:
    last_first = list(reversed(children.values()))
    if concurrent:
        for child in last_first:
            tell_to_stop(child)
    for child in last_first:
        tell_to_stop(child)
        if not child.ended:
            await child.cell.stopped.wait()
