"""The seam for fault injection: what a test decides about each message on its way into a mailbox."""

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

import attrs
from attrs.validators import ge


class Verdict(Enum):
    """What becomes of a message; `Delay` and `Crash` are verdicts too."""

    PASS = "it is put as if nobody had looked"  # noqa: S105 - no password
    DROP = "it is a dead letter, and an asker gets MessageDropped"
    DUPLICATE = "it is put twice; the first answer counts"


@attrs.frozen
class Delay:
    """The message is put so many seconds later, whether or not there is room then.

    The sender sees it as put at once. An actor that ends before that leaves it as a dead letter.
    """

    seconds: float = attrs.field(validator=ge(0.0))


@attrs.frozen
class Crash:
    """The message is put, and handling it raises ``error`` in place of calling ``handle``."""

    error: Exception


Interceptor: TypeAlias = Callable[[object], Verdict | Delay | Crash]
"""Called with each message before it is put, in the sender's task. What it raises, the sender gets."""
