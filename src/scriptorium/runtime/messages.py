"""Requests, the slot in which an answer travels back, and the envelope of messages that carry more."""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import outcome
import trio

if TYPE_CHECKING:
    from scriptorium.runtime.trace import Trace

R_co = TypeVar("R_co", covariant=True)


class Request(Generic[R_co]):
    """Base class of messages that are asked: ``class Submit(Request[Answer])``.

    ``R`` is what `Ref.ask` returns. A request that is told instead is handled alike, its reply dropped.
    """

    __slots__ = ()


class Answer:
    """Where one task waits for one outcome. Settled once; what comes later is dropped."""

    __slots__ = ("_asker", "_outcome", "settled")

    def __init__(self) -> None:
        self.settled = False
        """It has its outcome, or nobody waits for one any more."""
        self._asker: trio.lowlevel.Task | None = None
        self._outcome: outcome.Value[Any] | outcome.Error | None = None

    def reply(self, value: object) -> None:
        self._settle(outcome.Value(value))

    def fail(self, error: BaseException) -> None:
        self._settle(outcome.Error(error))

    @trio.lowlevel.enable_ki_protection
    def _settle(self, answer: outcome.Value[Any] | outcome.Error) -> None:
        if self.settled:
            return
        self.settled = True
        if self._asker is not None:
            trio.lowlevel.reschedule(self._asker, answer)
        else:
            # The asker waited for room in the mailbox and has not run since: it finds the answer here.
            self._outcome = answer

    @trio.lowlevel.enable_ki_protection
    async def wait(self) -> Any:  # noqa: ANN401 - the caller knows what it asked for
        """Wait for the outcome. Cancellation closes the slot: a later outcome is dropped."""
        if self._outcome is not None:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return self._outcome.unwrap()
        self._asker = trio.lowlevel.current_task()
        return await trio.lowlevel.wait_task_rescheduled(self._abandon)

    def _abandon(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self.settled = True
        return trio.lowlevel.Abort.SUCCEEDED


class Envelope:
    """A message in a mailbox with more to it than itself; a plain one is put as it is.

    ``answer``: where its sender waits for the reply. ``trace``: its entry in the trace. ``fault``:
    what handling it raises, in place of being handled.
    """

    __slots__ = ("answer", "fault", "message", "trace")

    def __init__(
        self,
        message: object,
        answer: Answer | None = None,
        trace: "Trace | None" = None,
        fault: Exception | None = None,
    ) -> None:
        self.message = message
        self.answer = answer
        self.trace = trace
        self.fault = fault

    def close(self, reply: object) -> None:
        """It has been handled."""
        if self.answer is not None:
            self.answer.reply(reply)
        if self.trace is not None:
            self.trace.handled()

    def end(self, error: Exception) -> None:
        """It will not be handled, or was not to the end: the error says why."""
        if self.answer is not None:
            self.answer.fail(error)
        if self.trace is not None:
            self.trace.dead(error)
