"""``submit SUMMARY``: the ``submit_pr`` call, for an agent that has no MCP client."""

from __future__ import annotations

import os
import sys

from scriptorium.cli.failure import Failure
from scriptorium.server.client import SubmitFailed, submit_pr

URL, TOKEN = "SCRIPTORIUM_MCP_URL", "SCRIPTORIUM_MCP_TOKEN"


def submit(summary: str) -> int:
    """Submit the work of the run that this environment belongs to; raises Failure when it is refused."""
    url, token = os.environ.get(URL), os.environ.get(TOKEN)
    if not url or not token:
        missing = " and ".join(name for name, value in ((URL, url), (TOKEN, token)) if not value)
        raise Failure(f"{missing} not set: submit works inside a coding agent that `scriptorium run` started")
    if not summary.strip():
        raise Failure("the summary is empty; say what was done, and why", 2)
    try:
        answer = submit_pr(url, token, summary)
    except SubmitFailed as error:
        raise Failure(str(error)) from error
    if not answer.accepted:
        raise Failure(f"refused: {answer.message}")
    sys.stdout.write(f"{answer.message}\n")
    return 0
