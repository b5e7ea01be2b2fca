"""How restart intensities multiply over the levels of a tree."""

import logging
from math import prod

import attrs

from scriptorium.runtime.events import EventStream
from scriptorium.runtime.restart import Restart
from scriptorium.runtime.supervisor_events import IntensityWarning
from scriptorium.runtime.supervisor_spec import SupervisorSpec

SENSIBLE_PRODUCT = 20
"""Of the intensities over all levels. Beyond it an operator waits long to hear that something is broken."""

_log = logging.getLogger("scriptorium.runtime")


@attrs.frozen
class Level:
    supervisor: str
    restarts: int


def below(above: tuple[Level, ...], path: str, spec: SupervisorSpec) -> tuple[Level, ...]:
    """The levels down to this supervisor, each of which restarts the next when it gives up."""
    own = Level(path, spec.intensity.restarts)
    return (own,) if spec.restart is Restart.TEMPORARY else (*above, own)


def product(levels: tuple[Level, ...]) -> int:
    return prod(level.restarts for level in levels)


def worst(levels: tuple[Level, ...], path: str, spec: SupervisorSpec) -> tuple[Level, ...]:
    """The chain with the largest product among those that end in the supervisor or below it."""
    chains = [levels]
    for child in spec.children:
        if isinstance(child, SupervisorSpec):
            inner = f"{path}/{child.id}"
            chains.append(worst(below(levels, inner, child), inner, child))
    return max(chains, key=product)


def warn_of_many_restarts(
    above: tuple[Level, ...], path: str, spec: SupervisorSpec, events: EventStream
) -> None:
    """Log and publish a warning, once for the tree of the spec, when a product is more than is sensible."""
    chain = worst(below(above, path, spec), path, spec)
    if product(chain) <= SENSIBLE_PRODUCT:
        return
    warning = IntensityWarning(
        supervisors=tuple(level.supervisor for level in chain),
        intensities=tuple(level.restarts for level in chain),
        restarts=prod(level.restarts + 1 for level in chain) - 1,
    )
    events.publish(warning)
    _log.warning("%s", warning)
