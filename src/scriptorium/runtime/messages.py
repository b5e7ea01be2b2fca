"""Requests, and the one-shot slot in which the answer to a request travels back."""

from typing import Any, Generic, TypeVar

import outcome
import trio

R_co = TypeVar("R_co", covariant=True)


class Request(Generic[R_co]):
    """Base class of messages that are asked: ``class Submit(Request[Answer])``.

    ``R`` is what `Ref.ask` returns. A request that is told instead is handled alike, its reply dropped.
    """

    __slots__ = ()


class Asked:
    """A request in a mailbox, with the place for its answer. Settled once; what comes later is dropped."""

    __slots__ = ("_answer", "_asker", "_closed", "message")

    def __init__(self, message: Request[Any]) -> None:
        self.message = message
        self._asker: trio.lowlevel.Task | None = None
        self._answer: outcome.Value[Any] | outcome.Error | None = None
        self._closed = False

    def reply(self, value: object) -> None:
        self._settle(outcome.Value(value))

    def fail(self, error: BaseException) -> None:
        self._settle(outcome.Error(error))

    @trio.lowlevel.enable_ki_protection
    def _settle(self, answer: outcome.Value[Any] | outcome.Error) -> None:
        if self._closed:
            return
        self._closed = True
        if self._asker is not None:
            trio.lowlevel.reschedule(self._asker, answer)
        else:
            # The asker waited for room in the mailbox and has not run since: it finds the answer here.
            self._answer = answer

    @trio.lowlevel.enable_ki_protection
    async def answer(self) -> Any:  # noqa: ANN401 - Ref.ask gives it its type
        """Wait for the answer. Cancellation closes the slot: a later answer is dropped."""
        if self._answer is not None:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return self._answer.unwrap()
        self._asker = trio.lowlevel.current_task()
        return await trio.lowlevel.wait_task_rescheduled(self._abandon)

    def _abandon(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._closed = True
        return trio.lowlevel.Abort.SUCCEEDED
