"""The loop watchdog, in real threads; the exit in a whole process."""

import subprocess
import sys
import threading

import pytest
import trio

from scriptorium.runtime import EXIT_BLOCKED, LoopWatchdog

BLOCKS_THE_LOOP = """
import threading, trio
from scriptorium.runtime import LoopWatchdog

async def stuck_here():
    with LoopWatchdog(0.2):
        threading.Event().wait()

trio.run(stuck_here)
"""


@pytest.mark.slow
def test_a_blocked_loop_ends_the_process_and_shows_where() -> None:
    argv = [sys.executable, "-c", BLOCKS_THE_LOOP]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_BLOCKED == 70
    assert "the event loop is blocked" in done.stderr
    assert "in stuck_here" in done.stderr


async def test_a_loop_that_is_blocked_is_noticed() -> None:
    blocked = threading.Event()
    with LoopWatchdog(0.02, blocked.set):
        assert blocked.wait(30)


async def test_a_loop_that_answers_is_left_alone() -> None:
    blocked = threading.Event()
    answered = trio.Event()
    token = trio.lowlevel.current_trio_token()
    looks = 0

    class CountingWatchdog(LoopWatchdog):
        def _answers(self) -> bool:
            nonlocal looks
            looks += 1
            if looks == 5:
                token.run_sync_soon(answered.set)
            return super()._answers()

    with CountingWatchdog(600.0, blocked.set, every_seconds=0.001):
        await answered.wait()
    assert not blocked.is_set()


async def test_leaving_ends_the_thread() -> None:
    before = threading.active_count()
    with LoopWatchdog(3600.0):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_limit_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0 s"):
        LoopWatchdog(0)
