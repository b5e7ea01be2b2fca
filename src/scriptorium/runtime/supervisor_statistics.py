"""What can be seen of a supervisor at one moment."""

import attrs

from scriptorium.runtime.cell import ActorState
from scriptorium.runtime.restart import Intensity


@attrs.frozen
class ChildCounts:
    """As OTP's ``count_children``.

    Args:
        specs: all, whether they run, restart, or have ended and may be started again with a sibling.
        active: those that run, start or stop.
        restarting: those that wait for a restart.
        supervisors: of ``specs``, those that are supervisors.
        workers: of ``specs``, the others.
    """

    specs: int = 0
    active: int = 0
    restarting: int = 0
    supervisors: int = 0
    workers: int = 0


@attrs.frozen
class SupervisorStatistics:
    """A supervisor at one moment.

    Args:
        name: its path from the top, as in events and errors.
        incarnation: 1, and one more for each restart of a nested supervisor.
        restarts: of the supervisor itself.
        last_error: of the supervisor itself.
        recent_restarts: restarts of its children within the period of the ``intensity``.
    """

    name: str
    state: ActorState
    incarnation: int
    restarts: int
    last_error: str | None
    children: ChildCounts
    recent_restarts: int
    intensity: Intensity
