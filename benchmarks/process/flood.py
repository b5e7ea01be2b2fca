"""An agent that prints without end: how fast it is read, logged and parsed, and in how much memory.

Each flood is measured in a process of its own, so that its peak of memory is its own:
`python -m benchmarks.process.flood CONTENDER KIND BYTES FOLDER`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio
from attrs import asdict, evolve, frozen

from scriptorium.harness.codex import CodexHarness
from scriptorium.harness.events import HarnessEvent
from scriptorium.harness.interface import AgentRequest, AgentRun, Command, run_agent
from scriptorium.harness.process import OutcomeKind, ProcessRunner

ROOT: Final = Path(__file__).resolve().parents[2]
MEBIBYTE: Final = 1024 * 1024
CODEX: Final = CodexHarness()
KINDS: Final = ("lines", "short lines", "one line", "prompt")
LONG_TOOL_OUTPUT: Final = 1000
SECRETS: Final = ("sk-ant-api03-not-a-real-key-at-all", "sk-proj-not-a-real-key-either", "a-token-of-one-run")
"""An agent's usual three. They are looked for in all of the output."""

# An item of each usual kind, as Codex prints them; most bytes of a real log are the output of commands.
ITEMS: Final[tuple[tuple[str, dict[str, object]], ...]] = (
    ("item.completed", {"type": "agent_message", "text": "The store is written. Now the tests.\n" * 8}),
    ("item.started", {"type": "command_execution", "command": "make test", "status": "in_progress"}),
    (
        "item.completed",
        {
            "type": "command_execution",
            "command": "make test",
            "aggregated_output": "",
            "exit_code": 0,
            "status": "completed",
        },
    ),
    ("item.completed", {"type": "file_change", "changes": [{"path": "src/store.py", "kind": "update"}]}),
)

PRINTER: Final = """\
import os, sys
unit, wanted = open(sys.argv[1], "rb").read(), int(sys.argv[2])
while wanted > 0:
    wanted -= os.write(1, unit[:wanted])
"""
LISTENER: Final = """\
import sys
read = 0
while piece := sys.stdin.buffer.read(65536):
    read += len(piece)
print(read)
"""


@frozen
class Flood:
    """What was measured. `grown_bytes`: from just before the run to its peak, of this process alone."""

    seconds: float
    cpu_seconds: float
    grown_bytes: int
    logged_bytes: int
    lines: int
    answer: str

    @property
    def rate(self) -> float:
        """Millions of bytes a second."""
        return self.logged_bytes / self.seconds / 1e6


@frozen
class PlainAgent:
    """A program that is started just so, and whose lines are read as Codex's."""

    argv: tuple[str, ...]
    name: str = "plain"
    stderr_is_activity: bool = False

    def command(self, request: AgentRequest, env: Mapping[str, str]) -> Command:
        """See `Harness`."""
        return Command(self.argv, stdin=request.prompt.encode())

    def parse(self, line: bytes) -> tuple[HarnessEvent, ...]:
        """See `Harness`."""
        return CODEX.parse(line)


def lines_of(output_repeats: int) -> bytes:
    """A piece of about 1 MiB that can be printed again and again."""
    lines = []
    for number, (kind, item) in enumerate(ITEMS):
        filled: dict[str, object] = {"id": f"item_{number}", **item}
        if "aggregated_output" in filled:
            filled["aggregated_output"] = "tests/plan/test_store.py::test_it PASSED\n" * output_repeats
        lines.append(json.dumps({"type": kind, "item": filled}).encode() + b"\n")
    together = b"".join(lines)
    return together * max(1, MEBIBYTE // len(together))


def _unit(kind: str) -> bytes:
    match kind:
        case "lines":
            return lines_of(LONG_TOOL_OUTPUT // 10)
        case "short lines":
            return lines_of(1)
        case _:
            return b"x" * MEBIBYTE


def flood(kind: str, size: int, folder: Path, contender: str = "runner") -> Flood:
    """Measure one, in a process of its own; `size` in bytes, of output or of the prompt."""
    argv = [sys.executable, "-m", "benchmarks.process.flood", contender, kind, str(size), str(folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv}: {done.stderr}")
    return Flood(**json.loads(done.stdout))


def _status(name: str) -> int:
    """A line of /proc/self/status that counts memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


async def _run(agent: PlainAgent, prompt: str, folder: Path) -> Flood:
    runner = ProcessRunner(folder / "runs")
    request = AgentRequest("coding", prompt, folder, folder / "last.md")
    run = AgentRun(
        f"flood-{os.getpid()}",
        {"PATH": os.environ["PATH"]},
        folder / "log.jsonl",
        3600.0,
        log_limit_bytes=1 << 40,
        secrets=SECRETS,
    )
    heard = 0

    def hear(_event: HarnessEvent) -> None:
        nonlocal heard
        heard += 1

    before, began, cpu = _status("VmRSS"), time.perf_counter(), time.process_time()
    outcome = await run_agent(runner, agent, request, run, on_event=hear)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if outcome.process.kind is not OutcomeKind.EXITED:
        raise RuntimeError(outcome.describe())
    grown = _status("VmHWM") - before
    answer = outcome.process.tail.decode(errors="replace")[-100:]
    return Flood(seconds, cpu, grown, run.log.stat().st_size, heard, answer)


def _bare(agent: PlainAgent, folder: Path) -> Flood:
    """The same without a runner: read, write, cut into lines, parse JSON."""
    before, began, cpu = _status("VmRSS"), time.perf_counter(), time.process_time()
    rest, lines, written = b"", 0, 0
    with (
        (folder / "log.jsonl").open("wb", buffering=0) as log,
        subprocess.Popen(agent.argv, stdout=subprocess.PIPE) as child,
    ):
        assert child.stdout is not None
        while chunk := os.read(child.stdout.fileno(), 128 * 1024):
            written += log.write(chunk)
            *ended, rest = (rest + chunk).split(b"\n")
            for line in ended:
                lines += isinstance(json.loads(line), dict)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Flood(seconds, cpu, _status("VmHWM") - before, written, lines, "")


def _measure(contender: str, kind: str, size: int, folder: Path) -> Flood:
    python = (sys.executable, "-I", "-S", "-c")
    if kind == "prompt":
        # Made here, before the memory is looked at: it is the caller's, as in the service.
        found = trio.run(_run, PlainAgent((*python, LISTENER)), "p" * size, folder)
        return evolve(found, answer=found.answer.strip())
    (folder / "unit").write_bytes(_unit(kind))
    agent = PlainAgent((*python, PRINTER, str(folder / "unit"), str(size)))
    return trio.run(_run, agent, "", folder) if contender == "runner" else _bare(agent, folder)


if __name__ == "__main__":
    who, what, how_much, where = sys.argv[1:]
    print(json.dumps(asdict(_measure(who, what, int(how_much), Path(where)))))
