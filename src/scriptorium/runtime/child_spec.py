"""How a supervisor makes and keeps one child."""

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs
from attrs.validators import ge, gt, min_len, optional

from scriptorium.runtime.actor import Actor
from scriptorium.runtime.auto_shutdown import check_significant
from scriptorium.runtime.overflow import Overflow
from scriptorium.runtime.restart import Backoff, Intensity, Restart

M = TypeVar("M")

_START_LIMIT_SECONDS: float | None = 30.0


@attrs.frozen
class ChildSpec(Generic[M]):
    """The declaration of a child.

    Args:
        id: its name, unique among the supervisor's children.
        factory: makes the actor, anew for each incarnation.
        restart: when it is started again after it ended.
        mailbox_capacity: messages that wait in the mailbox.
        stop_grace_seconds: at a stop, what the message being handled gets to finish before it is
            cancelled, and then once more what ``on_stop`` gets.
        hang_limit_seconds: one message (or the start) that takes longer is a crash; None = no limit.
            Noticed after at most a quarter more.
        significant: when it ends by itself and is not restarted, its supervisor may end as well, see
            `AutoShutdown`. ValueError for a permanent child, which never ends so.
        start_limit_seconds: ``on_start`` that takes longer is a failed start (`StartTimedOut`); None = no
            limit.
        intensity: the limit of this child alone, besides its supervisor's: past either of them the
            supervisor gives up. (OTP has only the supervisor's.)
        backoff: the delays before its restarts, instead of its supervisor's.
        drain_seconds: at a stop, for how long the messages already in the mailbox are still handled
            while new ones are refused; 0: only the one at hand.
        name: what it is registered as in the application's `Names` until it has ended.
        overflow: what becomes of a message that finds the mailbox full.
        stash_capacity: messages that `Context.stash` can put aside at a time.
    """

    id: str = attrs.field(validator=min_len(1))
    factory: Callable[[], Actor[M]]
    restart: Restart = Restart.PERMANENT
    mailbox_capacity: int = attrs.field(default=1024, validator=ge(1))
    stop_grace_seconds: float = attrs.field(default=5.0, validator=ge(0.0))
    hang_limit_seconds: float | None = attrs.field(default=None, validator=optional(gt(0.0)))
    significant: bool = attrs.field(default=False, validator=check_significant)
    start_limit_seconds: float | None = attrs.field(default=_START_LIMIT_SECONDS, validator=optional(gt(0.0)))
    intensity: Intensity | None = None
    backoff: Backoff | None = None
    drain_seconds: float = attrs.field(default=0.0, validator=ge(0.0))
    name: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    overflow: Overflow = Overflow.WAIT
    stash_capacity: int = attrs.field(default=64, validator=ge(0))
