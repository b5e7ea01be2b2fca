"""What a submission is to the server: a call for a run with a summary, and an answer for the agent."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs


@attrs.frozen
class SubmitAnswer:
    """What the agent is told: whether the work was taken, and what happens (or what to do) next."""

    accepted: bool
    message: str


Submissions: TypeAlias = Callable[[str, str], Awaitable[SubmitAnswer]]
"""Takes one submission: (run id, summary) -> answer. It is run to its end once begun, whatever becomes of the
connection; only the end of the server cancels it, so at a cancellation it must leave all or nothing."""
