"""A file in the state folder that asks a running service to check the base branch again now.

It says nothing but that: a service that dies of a sudden checks a red base again when it starts, so that a
request which is lost with it was granted all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

RECHECK_NAME: Final = "recheck"


def ask_for_recheck(state_dir: Path) -> None:
    """Leave the request; one that is there already is the same one. Raises `OSError`."""
    (state_dir / RECHECK_NAME).touch()


def take_recheck(state_dir: Path) -> bool:
    """Whether there was a request; it is gone then, before anything is done about it."""
    try:
        (state_dir / RECHECK_NAME).unlink()
    except OSError:  # none, as nearly always; or none that can be taken: it must not be granted at every look
        return False
    return True
