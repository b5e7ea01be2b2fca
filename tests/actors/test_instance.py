"""One service on one repository, whatever the user does to the lock file meanwhile."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors.instance import LOCK_WAIT_SECONDS, AlreadyRunning, single_instance


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock"


async def refused(lock: Path, anchor: Path | None = None) -> AlreadyRunning:
    with pytest.raises(AlreadyRunning) as caught:
        async with single_instance(lock, "it", anchor=anchor):
            raise AssertionError("there are two")
    return caught.value


async def test_the_second_names_the_first(lock: Path, autojump_clock: MockClock) -> None:
    async with single_instance(lock, "it"):
        error = await refused(lock)
    assert (error.pid, str(os.getpid()) in str(error)) == (os.getpid(), True)
    assert trio.current_time() >= LOCK_WAIT_SECONDS
    async with single_instance(lock, "it"):
        pass


async def test_one_that_is_just_ending_is_waited_for(lock: Path, autojump_clock: MockClock) -> None:
    async def first(task_status: trio.TaskStatus[None]) -> None:
        async with single_instance(lock, "it"):
            task_status.started()
            await trio.sleep(LOCK_WAIT_SECONDS / 2)

    async with trio.open_nursery() as nursery:
        await nursery.start(first)
        async with single_instance(lock, "it"):
            assert lock.read_text() == f"{os.getpid()}\n"  # noqa: ASYNC240


async def test_a_lock_file_that_the_user_removes_lets_in_no_second(
    lock: Path, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with single_instance(lock, "it", anchor=tmp_path):
        lock.unlink()  # noqa: ASYNC240
        assert (await refused(lock, tmp_path)).pid is None
        # Whoever was refused has not taken anything along.
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    async with single_instance(lock, "it", anchor=tmp_path):
        pass


async def test_a_folder_that_cannot_be_locked_is_done_without(
    lock: Path, tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def network(descriptor: int, operation: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(9, "Bad file descriptor")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", network)
    async with single_instance(lock, "it", anchor=tmp_path):
        assert (await refused(lock, tmp_path)).pid == os.getpid()


async def test_a_lock_file_that_is_a_link_is_not_followed(lock: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine\n")
    lock.symlink_to(tmp_path / "mine")  # noqa: ASYNC240
    with pytest.raises(OSError, match="symbolic links"):
        async with single_instance(lock, "it"):
            raise AssertionError
    assert (tmp_path / "mine").read_text() == "mine\n"
