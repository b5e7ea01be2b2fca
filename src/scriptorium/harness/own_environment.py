"""Takes the service's secrets out of what the kernel shows of it: `/proc/PID/environ`.

An agent runs as the same user as the service, and every process may read there what another one of its user
was started with. The program itself goes on with a copy, in Python's `os.environ` and in C's `getenv` alike.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from scriptorium.harness.environment import is_for_all

_STAT: Final = Path("/proc/self/stat")
_ENVIRON: Final = Path("/proc/self/environ")
_MEMORY: Final = Path("/proc/self/mem")
_START_FIELD, _END_FIELD = 50, 51
"""Of env_start and env_end in `proc_pid_stat(5)`, counted from one."""


def hide_own_environment() -> str | None:
    """Blank the values that not every agent and check is given anyway; None, or why it could not be done.

    For a process of its own, before it starts threads or children: the copies that it makes last for its
    life. What is left: who may trace this process (root; any process of the user, where
    `kernel.yama.ptrace_scope` is 0) can read its memory, and the program that started it has an environment
    of its own.
    """
    for name, value in os.environb.items():
        with suppress(ValueError, OSError):  # a name that nobody can look up
            os.putenv(name, value)  # into memory of its own: C no longer looks into the block that is blanked
    try:
        return _blank()
    except (OSError, ValueError, IndexError) as error:
        return str(error)


def _blank() -> str | None:
    start, end = _block()
    before = _ENVIRON.read_bytes()
    if len(before) != end - start:
        return f"{_ENVIRON} does not hold what {_STAT} says"
    after = b"\0".join(_blanked(entry) for entry in before.split(b"\0"))
    with _MEMORY.open("r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(after)
    return None if _ENVIRON.read_bytes() == after else f"writing to {_MEMORY} changed nothing"


def _block() -> tuple[int, int]:
    # The second field is the program's name, in brackets, and may hold anything.
    fields = _STAT.read_bytes().rpartition(b")")[2].split()
    return int(fields[_START_FIELD - 3]), int(fields[_END_FIELD - 3])


def _blanked(entry: bytes) -> bytes:
    name, equals, value = entry.partition(b"=")
    if not equals:
        return bytes(len(entry))
    return entry if is_for_all(os.fsdecode(name)) else name + equals + bytes(len(value))
