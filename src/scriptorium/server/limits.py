"""Every bound of the HTTP side in one place, each with its reason."""

from typing import Final

REQUEST_BYTES: Final = 1024 * 1024
"""A request's body. A summary is a few kilobytes; nobody needs to make the service hold more."""

HEADER_BYTES: Final = 16 * 1024
"""A request's line and headers together."""

SUMMARY_CHARACTERS: Final = 32 * 1024
"""A submission's summary: it becomes a file on the plan branch that a person reads."""

CONNECTIONS: Final = 128
"""Open connections. Agents number a few dozen at most and hold one each for the length of a call."""

TOKENS: Final = 4096
"""Live tokens, one a run. Reaching it means that runs end without being revoked: a bug, said loudly."""

SUBMISSIONS_PER_RUN: Final = 4
"""Submissions of one run being taken at a time: an agent that calls and hangs up cannot pile them up."""

HEADER_SECONDS: Final = 15
"""From accepting a connection to the end of its request's headers."""

BODY_SECONDS: Final = 15.0
"""From the end of the headers to the end of the body."""

ANSWER_SECONDS: Final = 50.0
"""An answer to a tool call. Codex gives up on a tool after 60 s; an agent must hear something before that."""

CONNECTION_SECONDS: Final = 100.0
"""A connection from end to end, whatever it is doing; more than headers, body and answer together. It
stands for Hypercorn's read timeout, which counts while an answer is awaited, and ends what Hypercorn forgets
to close."""

DRAIN_SECONDS: Final = 2.0
"""Reading on after a refusal, so that the client gets the answer and not a connection reset."""

DRAIN_BYTES: Final = 16 * 1024 * 1024
"""The same, in bytes."""

STOP_SECONDS: Final = 5.0
"""From being told to stop until the last connection and submission is cut off."""
