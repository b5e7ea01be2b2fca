"""Work on the repository that git's own housekeeping got in the way of is done again.

`git gc` removes folders of loose objects while libgit2 writes into them, and packs while it opens them; and
`git pack-refs` locks each ref for a moment. A person may run either at any time, and git does it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import pygit2
import trio

from scriptorium.code.wholeness import ObjectsVanished
from scriptorium.plan.objects import ObjectMissing
from scriptorium.plan.refs import RefError, RefLocked
from scriptorium.runtime import Offload

T = TypeVar("T")

PAUSES_SECONDS: Final = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Between the tries. What is in the way goes within milliseconds; a lock that stays is a person's matter."""

_GONE_FILE: Final = "No such file"
_GONE_OBJECT: Final = "invalid object specified"


class PatientOffload:
    """An offload for work on the repository in `git_dir` that may be done again, as all of a World's may.

    As every step may be cut short by a crash, each can be done anew. Cancelled between two tries, it is not.
    """

    def __init__(self, git_dir: Path, offload: Offload) -> None:
        self._git_dir = f"{git_dir}/"
        self._offload = offload

    async def __call__(self, work: Callable[[], T], /) -> T:
        """The result of `work`, or what it raised the last time."""
        for seconds in PAUSES_SECONDS:
            try:
                return await self._offload(work)
            except (OSError, pygit2.GitError, RefError, ObjectMissing) as error:
                if not self.will_pass(error):
                    raise
            await trio.sleep(seconds)
        return await self._offload(work)

    def will_pass(self, error: Exception) -> bool:
        """Whether git may have been at it; libgit2 says so in words, without a number."""
        match error:
            case RefLocked() | ObjectsVanished() | ObjectMissing():
                return True
            case FileNotFoundError(filename=None):
                return True  # libgit2 leaves out what it did not find
            case _:
                text = str(error)
                return _GONE_OBJECT in text or (_GONE_FILE in text and self._git_dir in text)
