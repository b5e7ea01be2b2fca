"""How much the system tests do: a little in CI, much more, and drawn at random, under `make soak`."""

from __future__ import annotations

import os
import secrets
from random import Random

SOAKING = os.environ.get("SCRIPTORIUM_SOAK") == "1"
"""Whether this is `make soak`."""


def times(ci: int, soak: int) -> int:
    """How often to do a thing: `ci` times, or `soak` times under `make soak`."""
    return soak if SOAKING else ci


def seeds(soak: int) -> tuple[int | None, ...]:
    """For doing a thing once in the plain way (None), and under `make soak` so often in all, with chance."""
    return (None, *(secrets.randbits(32) for _ in range(times(1, soak) - 1)))


def chance(seed: int | None) -> Random | None:
    """What to draw from in one of those times."""
    return None if seed is None else Random(seed)  # noqa: S311 - to be repeated, not to be secret
