"""How a supervisor makes and keeps another supervisor as its child."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs
from attrs.validators import ge, min_len, optional

from scriptorium.runtime.auto_shutdown import AutoShutdown, check_significant, refuse_unused_significance
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.policy import Policy
from scriptorium.runtime.restart import Backoff, Intensity, Restart, Strategy


def _as_tuple(
    children: "Sequence[ChildSpec[Any] | SupervisorSpec]",
) -> "tuple[ChildSpec[Any] | SupervisorSpec, ...]":
    return tuple(children)


@attrs.frozen
class SupervisorSpec:
    """The declaration of a supervisor that is a child.

    It starts its ``children`` in their order; when one of these starts fails, those before it are stopped
    in reverse order, and its own start has failed. When it gives up that is a crash
    (`SupervisorFailed`), when it shuts down by itself a normal end. Restarted, it has the ``children`` of
    this declaration again, with new `Ref`s; those that were added by hand are gone.

    Where this differs from OTP: there a supervisor that gave up has ended with ``shutdown``, so that a
    transient one is not restarted. Here it is, since it failed.

    Args:
        id: its name, unique among the supervisor's children.
        children: those it starts with.
        strategy: who is restarted together.
        intensity: how many restarts, failed ones included, in which period, until it gives up.
        backoff: the delay before each restart.
        restart: when the supervisor itself is started again.
        significant: as `ChildSpec.significant`.
        auto_shutdown: whether it ends after significant children have ended.
        stop_grace_seconds: at a stop, after so long all that is left below it is forced to end at once.
            None, as in OTP: it takes as long as its children take.
        concurrent_stop: its children do not depend on each other: stop them all at once.
        max_children: how many it can have, those that restart included; None = no limit.
        name: what it is registered as in the application's `Names`, where its `SupervisorRef.ref` is found.
    """

    id: str = attrs.field(validator=min_len(1))
    children: Sequence["ChildSpec[Any] | SupervisorSpec"] = attrs.field(default=(), converter=_as_tuple)
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = attrs.field(factory=Intensity)
    backoff: Backoff = attrs.field(factory=Backoff)
    restart: Restart = Restart.PERMANENT
    significant: bool = attrs.field(default=False, validator=check_significant)
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    stop_grace_seconds: float | None = attrs.field(default=None, validator=optional(ge(0.0)))
    concurrent_stop: bool = False
    max_children: int | None = attrs.field(default=None, validator=optional(ge(1)))
    name: str | None = attrs.field(default=None, validator=optional(min_len(1)))

    def __attrs_post_init__(self) -> None:
        ids = Counter(child.id for child in self.children)
        twice = next((child for child, count in ids.items() if count > 1), None)
        if twice is not None:
            raise ValueError(f"supervisor {self.id!r} has several children {twice!r}: ids must be unique")
        if self.max_children is not None and len(self.children) > self.max_children:
            raise ValueError(
                f"supervisor {self.id!r} starts with {len(self.children)} children, "
                f"but its max_children is {self.max_children}"
            )
        for child in self.children:
            refuse_unused_significance(self.id, self.auto_shutdown, child)

    @property
    def policy(self) -> Policy:
        return Policy(
            strategy=self.strategy,
            intensity=self.intensity,
            backoff=self.backoff,
            auto_shutdown=self.auto_shutdown,
            concurrent_stop=self.concurrent_stop,
            stop_deadline_seconds=self.stop_grace_seconds,
            max_children=self.max_children,
        )
