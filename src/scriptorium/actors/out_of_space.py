"""Tells a full disk from what is wrong with a ticket, a tree or scriptorium itself."""

from __future__ import annotations

import errno
import os
from typing import Final

_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT)


def is_out_of_space(error: Exception) -> bool:
    """Whether the disk, or the user's share of it, is full. libgit2 says so in words, without a number."""
    if isinstance(error, OSError) and error.errno in _ERRORS:
        return True
    return any(os.strerror(number) in str(error) for number in _ERRORS)
