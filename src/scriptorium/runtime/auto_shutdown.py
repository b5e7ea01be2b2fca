"""When a supervisor ends because its work is done: ``auto_shutdown`` and ``significant`` of OTP 24."""

from enum import Enum
from typing import Protocol, assert_never

import attrs

from scriptorium.runtime.restart import Restart


class AutoShutdown(Enum):
    """Whether a supervisor ends, in order and without an error, after significant children have ended.

    Only an end of the child's own counts, after which it is not restarted: a transient child that ended
    normally, a temporary one that ended in whatever way. One that is stopped, by ``stop_child`` or for
    the restart of a sibling, does not count; and one that waits for a restart has not ended.
    """

    NEVER = "never"
    ANY_SIGNIFICANT = "when a significant child has ended"
    ALL_SIGNIFICANT = "when the last significant child has ended"


class Kept(Protocol):
    """A child's declaration, as far as it matters here."""

    @property
    def id(self) -> str: ...
    @property
    def restart(self) -> Restart: ...
    @property
    def significant(self) -> bool: ...


def check_significant(spec: Kept, _attribute: "attrs.Attribute[bool]", significant: bool) -> None:
    """An attrs validator: a permanent child never ends by itself for good. Raises ValueError."""
    if significant and spec.restart is Restart.PERMANENT:
        raise ValueError(
            f"child {spec.id!r} is permanent and significant: it is always restarted, so its end can mean "
            "nothing. Make it Restart.TRANSIENT or Restart.TEMPORARY"
        )


def refuse_unused_significance(supervisor: str, auto_shutdown: AutoShutdown, spec: Kept) -> None:
    """Raises ValueError for a significant child of a supervisor to which it means nothing."""
    if spec.significant and auto_shutdown is AutoShutdown.NEVER:
        raise ValueError(
            f"child {spec.id!r} is significant, but supervisor {supervisor!r} never shuts down by itself: "
            "give it an auto_shutdown"
        )


def shuts_down(auto_shutdown: AutoShutdown, *, others_left: bool) -> bool:
    """The decision at a significant child's end; ``others_left``: another significant one has not ended."""
    match auto_shutdown:
        case AutoShutdown.NEVER:
            return False
        case AutoShutdown.ANY_SIGNIFICANT:
            return True
        case AutoShutdown.ALL_SIGNIFICANT:
            return not others_left
        case _:
            assert_never(auto_shutdown)
