"""The loop watchdog, in real threads; the exits, and a stop and continue, in whole processes."""

import os
import signal
import subprocess
import sys
import threading

import pytest
import trio

from scriptorium.runtime import EXIT_BLOCKED, EXIT_INTERPRETER_HELD, LoopWatchdog

BLOCKS_THE_LOOP = """
import threading, trio
from scriptorium.runtime import LoopWatchdog

async def stuck_here():
    with LoopWatchdog(0.2):
        threading.Event().wait()

trio.run(stuck_here)
"""

HOLDS_THE_INTERPRETER = """
import ctypes, re, trio
from scriptorium.runtime import LoopWatchdog

def sleep_in_c():
    ctypes.PyDLL(None).sleep(600)

def match_for_ages():
    re.match(r"(a+)+b", "a" * 60)

async def stuck_here():
    with LoopWatchdog(0.2, interpreter_limit_seconds=0.4):
        {call}()

trio.run(stuck_here)
"""

LIVES_ON = """
import sys, trio
from scriptorium.runtime import LoopWatchdog

async def live():
    with LoopWatchdog(0.05):
        print("ready", flush=True)
        async with trio.lowlevel.FdStream(0) as stdin:
            assert await stdin.receive_some() == b"go on"
        for _ in range(20):
            await trio.sleep(0.01)
    print("lived", flush=True)

trio.run(live)
"""


@pytest.mark.slow
def test_a_blocked_loop_ends_the_process_and_shows_where() -> None:
    argv = [sys.executable, "-c", BLOCKS_THE_LOOP]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_BLOCKED == 70
    assert "the event loop is blocked" in done.stderr
    assert "in stuck_here" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("call", ["sleep_in_c", "match_for_ages"])
def test_c_code_that_holds_the_interpreter_ends_the_process_and_shows_where(call: str) -> None:
    argv = [sys.executable, "-c", HOLDS_THE_INTERPRETER.format(call=call)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_INTERPRETER_HELD == 1
    assert "Timeout (0:00:00.4" in done.stderr
    assert f"in {call}" in done.stderr


@pytest.mark.slow
def test_a_process_that_was_stopped_and_continued_lives_on() -> None:
    argv = [sys.executable, "-c", LIVES_ON]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        # Ten times the limit in which nothing can answer.
        assert threading.Event().wait(0.5) is False
        process.send_signal(signal.SIGCONT)
        stdout, stderr = process.communicate(b"go on", timeout=60)
    assert (process.returncode, stdout, stderr) == (0, b"lived\n", b"")


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


def test_limits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 0 s"):
        LoopWatchdog(0)
    with pytest.raises(ValueError, match="interpreter's limit must be more than 0 s"):
        LoopWatchdog(1.0, interpreter_limit_seconds=0)
