"""Whether the file in a checkout is the one that was looked up elsewhere: its lines may be others."""

from __future__ import annotations

import os
import stat
from enum import StrEnum
from pathlib import Path


class InCheckout(StrEnum):
    """How a file in a checkout compares with the one on the base branch."""

    SAME = "same"
    DIFFERENT = "different"
    MISSING = "missing"


def in_checkout(path: Path, data: bytes) -> InCheckout:
    """How what is at `path` compares with `data`, line ends aside: a checkout may write them as CRLF.

    No link is followed, and what cannot be read is `DIFFERENT`.
    """
    try:
        found = _content(path, len(data))
    except FileNotFoundError:
        return InCheckout.MISSING
    except OSError:
        return InCheckout.DIFFERENT
    return InCheckout.SAME if found is not None and _lines(found) == _lines(data) else InCheckout.DIFFERENT


def _content(path: Path, size: int) -> bytes | None:
    """What is there; None for what cannot be the same: a folder, a pipe, far more than `size` bytes."""
    if stat.S_ISLNK(path.lstat().st_mode):
        return os.fsencode(path.readlink())
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - it is a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        most = 2 * size + 1
        found = file.read(most + 1)
        return found if len(found) <= most else None


def _lines(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")
