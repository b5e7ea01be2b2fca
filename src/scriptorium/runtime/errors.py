"""What the runtime raises. One flat class for each thing that a caller may want to tell apart."""

from scriptorium.runtime.events import DeadLetterCause
from scriptorium.runtime.reasons import StopReason


class ActorStopped(Exception):
    """The actor has ended for good: this message will not be, or was not completely, handled.

    Raised to whoever tells or asks it. Not the caller's fault; get a new `Ref`, or decide again.
    """

    def __init__(self, name: str, reason: StopReason) -> None:
        super().__init__(f"actor {name!r} has stopped: {reason}")
        self.name = name
        self.reason = reason


class MailboxFull(Exception):
    """The message found no room and was not put: by `Ref.tell_nowait`, or under ``Overflow.FAIL``.

    Use `Ref.tell` with ``Overflow.WAIT``, which waits, or drop the message knowingly.
    """

    def __init__(self, name: str, capacity: int) -> None:
        super().__init__(f"the mailbox of actor {name!r} is full ({capacity} messages)")
        self.name = name
        self.capacity = capacity


class MessageDropped(Exception):
    """The request that was asked became a dead letter although the actor lives: nobody will handle it.

    ``cause`` says why (the mailbox overflowed, or a test had it dropped). Ask again if it still matters.
    """

    def __init__(self, name: str, cause: DeadLetterCause) -> None:
        super().__init__(f"the request to actor {name!r} was dropped: {cause.value}")
        self.name = name
        self.cause = cause


class StashFull(Exception):
    """The actor has put aside as many messages as its ``stash_capacity`` allows, and wanted to add one.

    A crash of the actor if it leaves ``handle``. The fault is in an actor that waits for too long for
    what lets it go on, or in a capacity that is too small.
    """

    def __init__(self, name: str, capacity: int) -> None:
        super().__init__(f"the stash of actor {name!r} is full ({capacity} messages)")
        self.name = name
        self.capacity = capacity


class NameTaken(ValueError):
    """Another child that has not ended has this `ChildSpec.name`. Stop it first, or choose another name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is taken by an actor that has not ended")
        self.name = name


class ActorHung(Exception):
    """The actor spent longer than its ``hang_limit_seconds`` on one message, and was cancelled.

    It counts as a crash. The fault is in the actor, or in a limit that is too small for its work.
    """

    def __init__(self, name: str, limit_seconds: float) -> None:
        super().__init__(f"actor {name!r} made no progress for {limit_seconds:g} s")
        self.name = name
        self.limit_seconds = limit_seconds


class StartTimedOut(Exception):
    """``on_start`` took longer than the ``start_limit_seconds`` of the child, and was cancelled.

    It is a failed start like any other. The fault is in the actor, in what it waits for, or in a limit
    that is too small.
    """

    def __init__(self, name: str, limit_seconds: float) -> None:
        super().__init__(f"actor {name!r} had not started after {limit_seconds:g} s")
        self.name = name
        self.limit_seconds = limit_seconds


class AskCycle(RuntimeError):
    """The ask would wait for ever: the callee is (through others) waiting for the asking actor.

    A bug of the asking code: tell instead of ask in one place of the circle.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__("actors would wait for each other for ever: " + " asks ".join(names))
        self.names = names


class ChildExists(ValueError):
    """A child with this id is still there. Stop it first, or choose another id."""

    def __init__(self, supervisor: str, child: str) -> None:
        super().__init__(f"supervisor {supervisor!r} already has a child {child!r}")
        self.supervisor = supervisor
        self.child = child


class TooManyChildren(RuntimeError):
    """The supervisor has as many children as its ``max_children`` allows; those that restart count."""

    def __init__(self, supervisor: str, limit: int) -> None:
        super().__init__(f"supervisor {supervisor!r} has {limit} children already, its limit")
        self.supervisor = supervisor
        self.limit = limit


class SupervisorStopped(RuntimeError):
    """The supervisor is not inside its ``async with`` block, or is stopping: it starts nothing."""

    def __init__(self, supervisor: str) -> None:
        super().__init__(f"supervisor {supervisor!r} is not running")
        self.supervisor = supervisor


class SupervisorFailed(Exception):
    """Children failed more often than the intensity allows. Raised out of the supervisor's block.

    ``__cause__`` is the error of the last failure, or None when a permanent child ended by itself.
    All children have been stopped. The level above restarts this one, or the process ends.
    """

    def __init__(self, supervisor: str, child: str, failures: int, period_seconds: float) -> None:
        times = "1 failure" if failures == 1 else f"{failures} failures"
        super().__init__(
            f"supervisor {supervisor!r} gave up: {times} within {period_seconds:g} s, "
            f"the last one of child {child!r}"
        )
        self.supervisor = supervisor
        self.child = child


def sole_error(error: BaseException) -> BaseException:
    """The one error inside nested groups of one; a group of several stays as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
