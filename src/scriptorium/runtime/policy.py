"""How one supervisor treats its children."""

import attrs
from attrs.validators import ge, optional

from scriptorium.runtime.auto_shutdown import AutoShutdown
from scriptorium.runtime.restart import Backoff, Intensity, Strategy


@attrs.frozen
class Policy:
    """What `Supervisor` and `SupervisorSpec` have in common; see there."""

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = attrs.field(factory=Intensity)
    backoff: Backoff = attrs.field(factory=Backoff)
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    concurrent_stop: bool = False
    stop_deadline_seconds: float | None = attrs.field(default=None, validator=optional(ge(0.0)))
    max_children: int | None = attrs.field(default=None, validator=optional(ge(1)))
