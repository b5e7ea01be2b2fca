"""Runs submissions apart from the connections that brought them, so that a client that hangs up,
a cancelled call or a broken connection never cuts one short.
"""

import logging
from collections import Counter

import attrs
import trio

from scriptorium.server.limits import ANSWER_SECONDS, SUBMISSIONS_PER_RUN, SUMMARY_CHARACTERS
from scriptorium.server.submission import Submissions, SubmitAnswer

_log = logging.getLogger("scriptorium.server")

_CUT_OFF = SubmitAnswer(
    accepted=False,
    message="The service stopped before the submission was taken. Your work is kept in the worktree.",
)
_FAILED = SubmitAnswer(
    accepted=False,
    message="The submission could not be taken because of a fault inside scriptorium (it is in its log). "
    "Your work is kept in the worktree; call submit_pr once more.",
)
_SLOW = SubmitAnswer(
    accepted=False,
    message="The submission is still being taken and goes on. Call submit_pr again to hear the outcome; "
    "the same work is not submitted twice.",
)
_BUSY = SubmitAnswer(
    accepted=False,
    message="Earlier calls of submit_pr are still being answered. Wait for them, then call it again.",
)


@attrs.define
class _Taking:
    done: trio.Event = attrs.field(factory=trio.Event)
    answer: SubmitAnswer = _CUT_OFF


class Intake:
    """Takes submissions in the server's nursery.

    Args:
        submit: takes one submission; run to its end once begun.
        nursery: where submissions run. It outlives every connection; only the server's stop cancels it.
    """

    def __init__(self, submit: Submissions, nursery: trio.Nursery) -> None:
        self._submit = submit
        self._nursery = nursery
        self._in_flight: Counter[str] = Counter()

    async def submit(self, run_id: str, summary: str) -> SubmitAnswer:
        """Submits and waits for the answer, at most `limits.ANSWER_SECONDS`.

        Never raises; what cannot be taken is an answer. Cancelling the call leaves the submission running.
        """
        fault = _fault_in(summary)
        if fault is not None:
            return SubmitAnswer(accepted=False, message=fault)
        if self._in_flight[run_id] >= SUBMISSIONS_PER_RUN:
            return _BUSY
        taking = _Taking()
        self._in_flight[run_id] += 1
        self._nursery.start_soon(self._take, run_id, summary, taking, name=f"submission of {run_id}")
        with trio.move_on_after(ANSWER_SECONDS):
            await taking.done.wait()
            return taking.answer
        return _SLOW

    async def _take(self, run_id: str, summary: str, taking: _Taking) -> None:
        try:
            taking.answer = await self._submit(run_id, summary)
        except Exception:
            _log.exception("submission of run %s failed", run_id)
            taking.answer = _FAILED
        finally:
            self._in_flight[run_id] -= 1
            if not self._in_flight[run_id]:
                del self._in_flight[run_id]
            taking.done.set()


def _fault_in(summary: str) -> str | None:
    if not summary.strip():
        return "The summary is empty. Say what was done and why, then call submit_pr again."
    if len(summary) > SUMMARY_CHARACTERS:
        return (
            f"The summary has {len(summary)} characters; at most {SUMMARY_CHARACTERS} are taken. Shorten it."
        )
    try:
        summary.encode()
    except UnicodeEncodeError:
        return "The summary is not valid Unicode (a lone surrogate). Write it again in plain text."
    return None
