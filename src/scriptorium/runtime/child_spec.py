"""How a supervisor makes and keeps one child."""

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs
from attrs.validators import ge, gt, min_len, optional

from scriptorium.runtime.actor import Actor
from scriptorium.runtime.restart import Restart

M = TypeVar("M")


@attrs.frozen
class ChildSpec(Generic[M]):
    """The declaration of a child.

    Args:
        id: its name, unique among the supervisor's children.
        factory: makes the actor, anew for each incarnation.
        restart: when it is started again after it ended.
        mailbox_capacity: messages that wait; further `Ref.tell` waits.
        stop_grace_seconds: at a stop, what the message being handled gets to finish before it is
            cancelled, and then once more what ``on_stop`` gets.
        hang_limit_seconds: one message (or the start) that takes longer is a crash; None = no limit.
            Noticed after at most a quarter more.
    """

    id: str = attrs.field(validator=min_len(1))
    factory: Callable[[], Actor[M]]
    restart: Restart = Restart.PERMANENT
    mailbox_capacity: int = attrs.field(default=1024, validator=ge(1))
    stop_grace_seconds: float = attrs.field(default=5.0, validator=ge(0.0))
    hang_limit_seconds: float | None = attrs.field(default=None, validator=optional(gt(0.0)))
