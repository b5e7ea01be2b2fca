"""What a supervisor and all those nested in it share."""

from random import Random

import attrs

from scriptorium.runtime.events import EventStream
from scriptorium.runtime.names import Names


@attrs.frozen(eq=False)
class Surroundings:
    """``random`` is the source of the jitter."""

    events: EventStream
    names: Names
    random: Random
