"""Why an actor ended for good. Waiters and askers get this value, restarts never show it."""

from enum import Enum

import attrs


class StopKind(Enum):
    NORMAL = "it ended by itself"
    SHUTDOWN = "it was told to stop"
    CRASHED = "it crashed and is not restarted"
    GAVE_UP = "its supervisor gave up"
    INTERRUPTED = "it was interrupted"


@attrs.frozen
class StopReason:
    """How an actor ended, with the error when there was one.

    ``error`` may be set for any kind: a child that fails while it is being stopped ends as
    ``SHUTDOWN`` with that error.
    """

    kind: StopKind
    error: Exception | None = None

    def __str__(self) -> str:
        if self.error is None:
            return self.kind.value
        return f"{self.kind.value} ({describe(self.error)})"


def describe(error: BaseException) -> str:
    """An error in one line of at most 500 characters, for statistics and messages to people."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:500]
