"""Git's housekeeping gets in the way for a moment, and costs no more than that."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors.housekeeping import PAUSES_SECONDS, PatientOffload
from scriptorium.plan.refs import RefLocked
from scriptorium.runtime import inline

GIT = Path("/r/.git")
OBJECT = f"{GIT}/objects/5a/c0"
PASSING = [
    OSError(f"failed to rename lockfile to '{OBJECT}': No such file or directory"),
    pygit2.GitError(f"failed to open '{GIT}/objects/pack/x.pack': No such file or directory"),
    pygit2.GitError("failed to insert entry: invalid object specified - a.txt"),
    FileNotFoundError(2, "No such file or directory"),
    RefLocked("refs/heads/main", GIT / "refs/heads/main.lock"),
]
LASTING = [
    OSError(28, "No space left on device", OBJECT),
    FileNotFoundError(2, "No such file or directory", "/elsewhere/file"),
    pygit2.GitError("corrupt loose object"),
    KeyError("nothing of git's"),
]


class Work:
    """Raises the error so many times, then has the result."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.tries = error, times, 0

    def __call__(self) -> str:
        self.tries += 1
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return "done"


@pytest.mark.parametrize("error", PASSING, ids=repr)
async def test_what_passes_is_waited_out(error: Exception, autojump_clock: MockClock) -> None:
    work = Work(error, 3)
    assert await PatientOffload(GIT, inline)(work) == "done"
    assert trio.current_time() == pytest.approx(sum(PAUSES_SECONDS[:3]))


async def test_what_does_not_pass_after_all_comes_out(autojump_clock: MockClock) -> None:
    work = Work(PASSING[0], 100)
    with pytest.raises(OSError, match="No such file"):
        await PatientOffload(GIT, inline)(work)
    assert work.tries == len(PAUSES_SECONDS) + 1


@pytest.mark.parametrize("error", LASTING, ids=repr)
async def test_anything_else_comes_out_at_once(error: Exception, autojump_clock: MockClock) -> None:
    work = Work(error, 1)
    with pytest.raises(type(error)):
        await PatientOffload(GIT, inline)(work)
    assert work.tries == 1
