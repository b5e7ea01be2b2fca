"""A scripted agent for the system tests: a real child process that does what a JSON script says.

Started under the `command` harness as `python scripted.py SCRIPT`. The script names the areas, the tickets of
each area, and for each ticket its acts: a list of steps for the first start, the second, and so on; the last
list also serves every later start. All that happens is written, a JSON object a line, to `events.jsonl`
beside the script, which is where the tests look when the bell rings. What waits, waits for a lock or a pipe,
and not for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scriptorium.server.client import SubmitFailed, submit_pr

WAIT_SECONDS = 120
_TICKET = re.compile(r"^## The ticket: \d{4,} (\S+)$", re.MULTILINE)

Step = list[Any]


class Agent:
    """One start of the agent: what it is to be, and where it tells what it does."""

    def __init__(self, script: Path, prompt: str) -> None:
        self.aside = script.parent
        self.script = json.loads(script.read_text())
        self.prompt = prompt
        self.role = os.environ["SCRIPTORIUM_ROLE"]
        self.name = self._name()
        self.start = self._number()
        self.tell("start", prompt=prompt, cwd=str(Path.cwd()))

    def _name(self) -> str:
        if self.role == "coding":
            found = _TICKET.search(self.prompt)
            return found[1] if found else "unknown"
        return os.environ.get("SCRIPTORIUM_AREA", self.role)

    def _number(self) -> int:
        """The how-manieth start of this one it is; the file is claimed exclusively."""
        folder = self.aside / "starts"
        folder.mkdir(exist_ok=True)
        number = 1
        while True:
            try:
                (folder / f"{self.role}-{self.name}-{number}").touch(exist_ok=False)
            except FileExistsError:
                number += 1
            else:
                return number

    def tell(self, event: str, **facts: object) -> None:
        """Append one line, in one write, so that the lines of several agents do not mix; then ring."""
        line = {
            "event": event,
            "role": self.role,
            "name": self.name,
            "start": self.start,
            "ticket": os.environ.get("SCRIPTORIUM_TICKET"),
            "pid": os.getpid(),
            "at": time.monotonic(),
            **facts,
        }
        fd = os.open(self.aside / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, (json.dumps(line) + "\n").encode())
        finally:
            os.close(fd)
        self.ring()

    def ring(self) -> None:
        """Have whoever listens look at what there is now."""
        with contextlib.suppress(OSError):  # nobody does, or there is enough to hear already
            bell = os.open(self.aside / "bell", os.O_WRONLY | os.O_NONBLOCK)
            os.write(bell, b".")
            os.close(bell)

    # ---- the roles

    def work(self) -> None:
        """Do what the role asks for."""
        if self.role == "architect":
            self.write_areas()
        elif self.role == "manager":
            self.write_tickets()
        acts: list[list[Step]] = self.script["acts"].get(self.name, [[]])
        for step in acts[min(self.start, len(acts)) - 1]:
            self.do(step)

    def write_areas(self) -> None:
        """One file an area."""
        Path("areas").mkdir(exist_ok=True)
        for area, text in self.script["areas"].items():
            Path(f"areas/{area}.md").write_text(text)

    def write_tickets(self) -> None:
        """One file a ticket of this area."""
        Path("tickets/open").mkdir(parents=True, exist_ok=True)
        for slug, text in self.script["tickets"].get(self.name, {}).items():
            Path(f"tickets/open/{slug}.md").write_text(text)

    # ---- the steps

    def do(self, step: Step) -> None:
        """One step: its name, then what it needs."""
        name, *given = step
        STEPS[name](self, *given)

    def write(self, path: str, text: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)

    def write_many(self, folder: str, count: int) -> None:
        """A change so large that landing it takes a while."""
        for number in range(count):
            self.write(f"{folder}/{number // 100}/{number}.txt", f"{folder} {number}\n" * 20)

    def read(self, path: str) -> None:
        """Tell what a file holds now, None for no file."""
        file = Path(path)
        self.tell("read", path=path, text=file.read_text() if file.is_file() else None)

    def submit(self, summary: str = "") -> None:
        """Submit; the answer is told. A refusal does not end the agent."""
        url, token = os.environ["SCRIPTORIUM_MCP_URL"], os.environ["SCRIPTORIUM_MCP_TOKEN"]
        self.tell("submitting")
        try:
            answer = submit_pr(url, token, summary or f"Do {self.name}\n\nAll of it.")
        except SubmitFailed as failed:
            self.tell("submit-failed", message=str(failed))
        else:
            self.tell("answer", accepted=answer.accepted, message=answer.message)

    def submit_by_command(self) -> None:
        """As an agent without an MCP client does it; what it prints is told."""
        words = ["scriptorium", "submit", f"Do {self.name}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        self.tell("printed", code=done.returncode, text=done.stdout + done.stderr)

    def touch(self, name: str) -> None:
        """Make a file beside the script."""
        (self.aside / name).touch()
        self.ring()

    def hold(self, name: str) -> None:
        """Say that it is held at this gate, then wait until nobody has the gate locked."""
        self.touch(f"{name}.held")
        self.tell("held", gate=name)
        gate = os.open(self.aside / f"{name}.gate", os.O_RDONLY)
        with not_for_ever(f"the gate {name}"):
            fcntl.flock(gate, fcntl.LOCK_SH)
        os.close(gate)

    def together(self, count: int) -> None:
        """Wait until so many agents with this step have come to it.

        Whoever makes it as many writes a byte for each of the others into a pipe that all of them hold open.
        """
        folder = self.aside / f"together-{count}"
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(folder / ".pipe")
        pipe = os.open(folder / ".pipe", os.O_RDWR)
        with not_for_ever(f"{count} together"):
            fcntl.flock(pipe, fcntl.LOCK_EX)  # one at a time comes and counts
            before = len(list(folder.iterdir())) - 1
            (folder / self.name).touch()
            there = len(list(folder.iterdir())) - 1
            fcntl.flock(pipe, fcntl.LOCK_UN)
            if there < count:
                os.read(pipe, 1)
            elif before < count:
                os.write(pipe, b"." * (count - 1))
        os.close(pipe)

    def ignore_term(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def submit_on_term(self) -> None:
        """Asked to end: submit what is there, then end."""

        def asked(_number: int, _frame: object) -> None:
            self.submit()
            self.tell("end")
            os._exit(0)

        signal.signal(signal.SIGTERM, asked)

    def print_megabytes(self, count: int) -> None:
        """Lines of standard output, and one that has no end."""
        block = (b"x" * 1023 + b"\n") * 1024
        for _ in range(count // 2):
            os.write(1, block)
        for _ in range(count - count // 2):
            os.write(1, b"y" * 1024 * 1024)

    def leave_daemon(self, name: str) -> None:
        """A double fork with a session of its own, which outlives its parents and holds the pipe open."""
        until_ready, ready = os.pipe()
        if (first := os.fork()) == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                (self.aside / f"{name}.pid").write_text(str(os.getpid()))
                os.close(ready)
                while True:
                    signal.pause()
            os._exit(0)
        os.close(ready)
        os.waitpid(first, 0)
        os.read(until_ready, 1)  # nothing comes but the end, when the last of the two has closed it
        os.close(until_ready)
        self.ring()

    def remove(self, path: str) -> None:
        target = Path(path)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink()

    def nested_repository(self, path: str) -> None:
        subprocess.run(["git", "init", "-q", path], check=True)
        self.write(f"{path}/inside.txt", "inside\n")

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], check=False)

    def kill_self(self, number: int) -> None:
        self.tell("end")
        os.kill(os.getpid(), number)
        signal.pause()

    def leave(self, code: int) -> None:
        self.tell("end")
        sys.exit(code)


STEPS: dict[str, Callable[..., None]] = {
    "write": Agent.write,
    "write-many": Agent.write_many,
    "read": Agent.read,
    "submit": Agent.submit,
    "submit-by-command": Agent.submit_by_command,
    "touch": Agent.touch,
    "hold": Agent.hold,
    "together": Agent.together,
    "ignore-term": Agent.ignore_term,
    "submit-on-term": Agent.submit_on_term,
    "print-megabytes": Agent.print_megabytes,
    "leave-daemon": Agent.leave_daemon,
    "remove": Agent.remove,
    "nested-repository": Agent.nested_repository,
    "git": Agent.git,
    "kill-self": Agent.kill_self,
    "exit": Agent.leave,
}


@contextlib.contextmanager
def not_for_ever(what: str) -> Iterator[None]:
    """End the agent when the block takes too long."""

    def too_long(_number: int, _frame: object) -> None:
        sys.exit(f"waited too long for {what}")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(WAIT_SECONDS)
    yield
    signal.alarm(0)


if __name__ == "__main__":
    agent = Agent(Path(sys.argv[1]), sys.stdin.read())
    agent.work()
    agent.leave(0)
