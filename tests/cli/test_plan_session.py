"""``plan PROMPT`` and ``plan`` as a person uses them: a real terminal, a real agent process."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pygit2
import pytest

from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 30
SPEC = "# A spec\n"

AGENT = """
import pathlib, signal, sys
request = sys.stdin.read().partition("## The person says")[2].strip()
spec = pathlib.Path("spec.md")
if request.startswith("add"):
    spec.write_text(spec.read_text() + request + "\\n")
    print("I did: " + request)
elif request.startswith("wait"):
    spec.write_text("half")
    print("waiting", flush=True)
    pathlib.Path(sys.argv[1]).touch()
    signal.pause()
elif request.startswith("fail"):
    sys.exit("no credit")
elif request.startswith("stray"):
    pathlib.Path("notes.txt").write_text("x")
    print("I made notes.")
else:
    print("It is fine as it is.")
"""

AS_A_SESSION = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)


class Planned:
    """A repository whose architect is the agent above."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repo"
        self.waiting = folder / "waiting"
        pygit2.init_repository(str(self.root), initial_head="main")
        (folder / "agent.py").write_text(AGENT)
        command = [sys.executable, "-S", str(folder / "agent.py"), str(self.waiting)]
        config = {"agents": {"architect": {"harness": "command", "command": command}}, "stopGrace": 1}
        (self.root / "scriptorium.json").write_text(json.dumps(config))
        initialize(self.root / ".git")
        self.plan = PlanRepository(self.root / ".git")
        self.plan.commit(UpdateSpec(SPEC))

    def spec(self) -> str:
        spec = self.plan.read().spec
        assert spec is not None
        return spec.text

    def commits(self) -> list[str]:
        repo = pygit2.Repository(str(self.root))
        tip = repo.references["refs/heads/scriptorium/plan"].target
        return [commit.message.partition("\n")[0].removeprefix("scriptorium: ") for commit in repo.walk(tip)]


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    return Planned(tmp_path)


class Terminal:
    """``scriptorium plan`` on a terminal of its own, with a person at it."""

    def __init__(self, root: Path) -> None:
        self.master, slave = pty.openpty()
        program = str(Path(sys.executable).with_name("scriptorium"))
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", AS_A_SESSION, program, "plan", "-C", str(root)],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "dumb", "INPUTRC": "/dev/null"},
        )  # fmt: skip
        os.close(slave)
        self.screen = ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def see(self, text: str, *, pressing: str = "") -> str:
        """Wait until the text is on the screen; what came up to it is gone from the screen then.

        `pressing` is a key that is pressed again each second, as a person would: Python's line editor can
        miss a signal that comes just before it waits for the next key.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        self.type(pressing)
        while text not in self.screen:
            assert time.monotonic() < deadline, f"waited too long for {text!r}: {self.screen!r}"
            ready, _, _ = select.select([self.master], [], [], 1.0)
            if not ready:
                self.type(pressing)
                continue
            try:
                self.screen += os.read(self.master, 65536).decode(errors="replace")
            except OSError:  # the other side is closed
                pytest.fail(f"ended before {text!r}: {self.screen!r}")
        before, _, self.screen = self.screen.partition(text)
        return before

    def ask(self, text: str) -> None:
        """Type a line when it is asked for."""
        self.see("> ")
        self.type(f"{text}\n")

    def end(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(planned: Planned) -> Iterator[Terminal]:
    made = Terminal(planned.root)
    yield made
    made.close()


# ---------------------------------------------------------------- one shot


@pytest.mark.req("V1-31", "V1-00a")
def test_one_shot(planned: Planned, scriptorium: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = scriptorium("plan", "add tables", cwd=planned.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "I did: add tables\nThe spec was changed and committed.\n"
    assert planned.spec() == "# A spec\nadd tables\n"
    assert planned.commits()[0] == "update spec from architect"
    count = len(planned.commits())
    done = scriptorium("plan", "is it fine?", cwd=planned.root)
    assert done.stdout == "It is fine as it is.\nThe spec is unchanged.\n"
    done = scriptorium("plan", "stray", cwd=planned.root)
    assert done.stderr == "scriptorium: discarded changes to notes.txt\n"
    assert len(planned.commits()) == count
    done = scriptorium("plan", "fail", cwd=planned.root)
    assert (done.returncode, done.stdout) == (1, "")
    assert "failed with exit code 1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.req("V1-31")
def test_a_conversation_through_a_pipe_ends_with_its_input(
    planned: Planned, scriptorium: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = scriptorium("plan", cwd=planned.root, stdin="add one\n/show\n\nadd two\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "# A spec\nadd one\n" in done.stdout
    assert planned.spec() == "# A spec\nadd one\nadd two\n"
    assert planned.commits()[:2] == ["update spec from architect"] * 2
    assert scriptorium("plan", cwd=planned.root, stdin="fail\n").returncode == 1


# ---------------------------------------------------------------- at a terminal


@pytest.mark.req("V1-31")
def test_a_conversation_at_a_terminal(planned: Planned, terminal: Terminal) -> None:
    terminal.see("/help explains, Ctrl-D ends.")
    terminal.ask("/help")
    terminal.see("/quit, /exit  leave")
    terminal.ask("/show")
    terminal.see("# A spec")
    terminal.ask("/nonsense now")
    terminal.see("/nonsense is not a command here; /help lists them")
    terminal.ask("add tables")
    terminal.see("I did: add tables")
    terminal.see("The spec was changed and committed.")
    terminal.ask("is it fine?")
    terminal.see("The spec is unchanged.")
    terminal.ask("fail")
    terminal.see("failed with exit code 1")  # and the session goes on
    terminal.see("> ")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert planned.spec() == "# A spec\nadd tables\n"
    assert len(planned.commits()) == 3


@pytest.mark.req("V1-31")
@pytest.mark.parametrize("word", ["/quit", "/exit"])
def test_a_word_ends_it(planned: Planned, terminal: Terminal, word: str) -> None:
    terminal.ask(word)
    assert terminal.end() == 0


@pytest.mark.req("V1-31")
def test_ctrl_c_stops_the_answer_and_not_the_session(planned: Planned, terminal: Terminal) -> None:
    before = planned.commits()
    terminal.ask("wait for me")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not planned.waiting.exists():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)
    terminal.type("\x03")
    terminal.see("Stopped; the spec is as it was.")
    terminal.see("> ")
    terminal.type("half a line")
    terminal.see("half a line")
    terminal.see("(Ctrl-D or /quit ends the session)", pressing="\x03")
    assert planned.commits() == before
    terminal.ask("add tables")
    terminal.see("The spec was changed and committed.")
    terminal.see("> ")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert planned.spec() == "# A spec\nadd tables\n"
