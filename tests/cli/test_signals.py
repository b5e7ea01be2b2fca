"""The gate that SIGINT, SIGTERM and SIGHUP come through, in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

INSTALLED = "import os, signal, sys\nfrom scriptorium.cli.signals import gate\ngate.install()\n"
EACH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def outcome(program: str, number: int) -> tuple[int, str]:
    """Run a program in which ``send()`` sends it the signal; its exit code and what it printed."""
    send = f"def send(): signal.raise_signal({int(number)})\n"
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED + send + program], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@EACH
def test_before_the_loop_is_up_the_first_signal_ends_the_process_well(number: int) -> None:
    assert outcome("send(); print('still here', flush=True)", number) == (0, "")


def test_nohup_is_respected() -> None:
    program = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + INSTALLED
    program += "signal.raise_signal(signal.SIGHUP); print('on')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "on\n")


@EACH
def test_the_loop_is_told_how_often_it_was_asked(number: int) -> None:
    program = "gate.attach(lambda count: print(count, flush=True)); send(); send(); send(); sys.exit(7)"
    assert outcome(program, number) == (7, "1\n2\n3\n")


@EACH
def test_a_signal_that_comes_after_the_loop_is_over_does_no_harm(number: int) -> None:
    program = "def over(count): raise RuntimeError\ngate.attach(over); send(); print('on'); sys.exit(1)"
    assert outcome(program, number) == (1, "on\n")


@EACH
def test_once_the_exit_code_is_decided_a_signal_changes_nothing(number: int) -> None:
    program = (
        "import atexit, threading\natexit.register(send)\n"
        "class Last:\n    def __del__(self, kill=os.kill, pid=os.getpid()): kill(pid, "
        f"{int(number)})\n"
        "kept = Last(); gate.close(); send(); sys.exit(3)"
    )
    assert outcome(program, number) == (3, "")


@pytest.mark.req("V1-05")
@EACH
def test_run_sets_its_handlers_before_anything_slow_is_imported(number: int) -> None:
    """The first import after the handlers, whatever it is, is already answered with a good end."""
    program = f"""
import signal, sys
from importlib.abc import MetaPathFinder
class First(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if signal.getsignal({int(number)}).__class__.__name__ == "method":
            signal.raise_signal({int(number)})
        elif name.partition(".")[0] in {{"typer", "trio", "pygit2", "attr", "attrs", "mcp", "cattrs"}}:
            print("too late:", name, flush=True)
sys.meta_path.insert(0, First())
from scriptorium.cli import main
sys.exit(main(["run"]) + 50)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
