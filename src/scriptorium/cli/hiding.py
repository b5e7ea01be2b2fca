"""Takes what a command was started with out of the sight of the agents that it starts."""

from __future__ import annotations

import sys

from scriptorium.cli.failure import printable
from scriptorium.harness.own_environment import hide_own_environment


def hide_environment() -> None:
    """Before the first thread and the first child. When it cannot be done, that is said and no more."""
    why_not = hide_own_environment()
    if why_not is not None:
        what = f"agents can read this program's environment in /proc: {why_not}"
        sys.stderr.write(f"scriptorium: {printable(what)}\n")
