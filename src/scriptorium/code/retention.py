"""Which pins have served their time: pure. A pin that is kept too long costs a file; one that goes too early
may cost somebody's work, so whatever is in doubt is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from attrs import frozen

from scriptorium.plan.ids import Oid, TicketId, ticket_number
from scriptorium.plan.layout import TicketState
from scriptorium.plan.past import States

_DAY_SECONDS: Final = 24 * 3600.0
LANDED_KEPT_SECONDS: Final = 7 * _DAY_SECONDS
"""After its ticket was done, for a pin that the base contains: until then a base that somebody reset by
mistake can be had back from it."""
OTHERS_KEPT_SECONDS: Final = 30 * _DAY_SECONDS
"""After its ticket was done, or had vanished, for what did not land: as git keeps what no branch has."""

_DONE: Final = frozenset({TicketState.DONE})
_GONE: Final[frozenset[TicketState]] = frozenset()


@frozen
class Pin:
    """A pin of `ticket` at `commit`, which was made at `made_at` (seconds since the epoch)."""

    name: str
    ticket: TicketId
    commit: Oid
    made_at: float


@frozen
class Plans:
    """The tickets' states now and when each of the two spans began; None for before the plan's time.

    `highest` is the highest ticket number in the plan as it is now.
    """

    now: States
    landed_span: States | None
    others_span: States | None
    highest: int


def decide_retention(
    pins: Iterable[Pin], plans: Plans, contained: Collection[Oid], now: float
) -> tuple[Pin, ...]:
    """The pins that go, of those given. `contained` are the pinned commits that the base contains.

    Never one whose ticket is open, in progress or stuck, or was when its span began.
    """
    return tuple(pin for pin in pins if _goes(pin, plans, pin.commit in contained, now))


def _goes(pin: Pin, plans: Plans, contained: bool, now: float) -> bool:
    state = plans.now.get(pin.ticket, _GONE)
    landed = contained and state == _DONE
    kept_seconds, before = (
        (LANDED_KEPT_SECONDS, plans.landed_span) if landed else (OTHERS_KEPT_SECONDS, plans.others_span)
    )
    if before is None or pin.made_at > now - kept_seconds:
        return False
    if state == _GONE and ticket_number(pin.ticket) >= plans.highest:
        return False  # it may be all that tells that its number was given out
    return state in (_DONE, _GONE) and before.get(pin.ticket, _GONE) == state
