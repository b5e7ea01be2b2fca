"""A repository whose agents are the real Codex CLI, which asks a model on loopback.

`scriptorium` runs as a process of its own, with an empty home and nothing of the environment of whoever runs
the tests. The `codex` on its PATH is the real one with a recorder around it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field, frozen

from scriptorium.harness.codex import find_codex
from scriptorium.harness.interface import last_message_path
from scriptorium.harness.output import mask
from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import AreaName
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.ticket import Ticket
from scriptorium.plan.transitions import CreateTickets, UpdateAreas, UpdateSpec
from tests.agents import recorded_codex
from tests.system.history import ids, shown, tickets
from tests.system.places import Place

from .model_server import Conversation, ModelServer, Recorded, Script, Shell

KEY_NAME = "SCRIPTED_MODEL_KEY"
KEY = "the-key-of-the-scripted-model"
MODEL = "gpt-scripted"
NO_WAY_OUT = "http://127.0.0.1:9"
KEPT = ("PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "USER")

CHECK = """\
from pathlib import Path

KNOWN = {"inches": 2.54, "feet": 30.48, "pounds": 453.59237}
for path in sorted(Path("units").glob("*.py")):
    found = {}
    exec(path.read_text(), found)
    assert found["FACTOR"] == KNOWN[path.stem], f"{path.stem}: {found['FACTOR']} is not {KNOWN[path.stem]}"
"""
FILES = {"Makefile": "test:\n\t@python3 -B check.py\n", "check.py": CHECK, "README.md": "# units\n"}

Command = Sequence[str]


def write(path: str, text: str) -> Shell:
    """The shell step that writes a file."""
    folder = Path(path).parent
    return Shell(f"mkdir -p {folder} && cat > {path} <<'END OF FILE'\n{text}END OF FILE")


def conversion(slug: str, factor: float) -> Shell:
    """The shell step that does the work of a ticket, well or badly."""
    return write(f"units/{slug}.py", f"FACTOR = {factor}\n")


def draft(title: str, depends: str = "", notes: str = "None.") -> str:
    """A ticket as a manager writes it."""
    fields = f"**Depends:** {depends}\n\n" if depends else ""
    return (
        f"# {title}\n\n{fields}## Goal\n\nPeople can convert {title}.\n\n"
        f"## Acceptance Criteria\n\n- The factor of {title} is right.\n\n## Notes\n\n{notes}\n"
    )


@frozen
class CodexRun:
    """One run of Codex: what scriptorium started, what Codex printed, what scriptorium kept of it."""

    run_id: str
    argv: tuple[str, ...]
    cwd: str
    parent: tuple[str, ...]
    role: str
    ticket: str | None
    area: str | None
    token: str | None
    printed: bytes

    @property
    def last_message_path(self) -> Path:
        """The file that Codex was asked to put its last message into."""
        return Path(self.argv[self.argv.index("--output-last-message") + 1])

    @property
    def log(self) -> Path:
        """The log that belongs to that file."""
        folder, attempt = self.last_message_path.parent, self.last_message_path.name.partition(".")[0]
        log = folder / f"{attempt}.jsonl"
        assert last_message_path(log) == self.last_message_path
        return log

    @property
    def masked(self) -> bytes:
        """What Codex printed, without the secrets."""
        return mask((KEY, *([self.token] if self.token else [])), self.printed)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What Codex printed, read."""
        return [json.loads(line) for line in self.printed.splitlines()]

    @property
    def thread(self) -> str:
        """The session that Codex said it works in."""
        return str(next(event["thread_id"] for event in self.events if event["type"] == "thread.started"))


@define(slots=False)
class Story:
    """What was done in one place, and everything that can be seen of it afterwards."""

    place: Place
    model: ModelServer
    done: list[subprocess.CompletedProcess[str]] = field(factory=list)

    @property
    def last(self) -> subprocess.CompletedProcess[str]:
        """The last command of scriptorium."""
        return self.done[-1]

    @property
    def told(self) -> str:
        """All that the commands have printed."""
        return "\n".join(f"$ {done.args}\n{done.stdout}{done.stderr}" for done in self.done)

    @cached_property
    def runs(self) -> tuple[CodexRun, ...]:
        """Every run of Codex, in the order of their starts."""
        records = sorted(
            (self.place.aside / "codex").glob("*.json"), key=lambda path: path.stat().st_mtime_ns
        )
        return tuple(_run(path) for path in records)

    @property
    def conversations(self) -> list[Conversation]:
        """What the model was asked, in order."""
        return self.model.conversations

    @property
    def questions(self) -> list[Recorded]:
        """The requests that asked the model something."""
        return [request for request in self.model.requests if request.conversation is not None]

    def runs_of(self, slug: str) -> list[CodexRun]:
        """The runs for a ticket."""
        return [run for run in self.runs if run.ticket == ids(self.place)[slug]]

    def prompts(self, slug: str) -> list[str]:
        """The different prompts that the model got about a ticket, in order."""
        title = f"## The ticket: {ids(self.place)[slug]} "
        return list(dict.fromkeys(asked.prompt for asked in self.conversations if title in asked.prompt))

    def ticket(self, slug: str) -> Ticket:
        """The ticket as the plan branch has it."""
        state, number = tickets(self.place)[slug], ids(self.place)[slug]
        return Ticket.parse(shown(self.place, "scriptorium/plan", f"tickets/{state}/{number}-{slug}.md"))


def _run(path: Path) -> CodexRun:
    facts = json.loads(path.read_text())
    return CodexRun(
        run_id=path.stem,
        argv=tuple(facts["argv"]),
        cwd=facts["cwd"],
        parent=tuple(facts["parent"]),
        role=facts["SCRIPTORIUM_ROLE"],
        ticket=facts["SCRIPTORIUM_TICKET"],
        area=facts["SCRIPTORIUM_AREA"],
        token=facts["SCRIPTORIUM_MCP_TOKEN"],
        printed=path.with_suffix(".out").read_bytes(),
    )


def config() -> dict[str, Any]:
    """The config of the repository: Codex for every role, by the name of its model."""
    agent = {"model": MODEL, "env": [KEY_NAME]}
    return {"agents": dict.fromkeys(("architect", "manager", "coding"), agent)}


def make_codex_place(folder: Path) -> Place:
    """A repository of one commit, and a `codex` in a folder aside."""
    place = Place(folder / "repo", folder / "aside")
    place.root.mkdir(parents=True)
    for name in ("home", "codex-home", "codex", "bin"):
        (place.aside / name).mkdir(parents=True)
    command = [sys.executable, recorded_codex.__file__, str(place.aside / "codex"), find_codex({"PATH": ""})]
    program = place.aside / "bin" / "codex"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)
    place.git("init", "-q", "-b", "main")
    place.commit({**FILES, "scriptorium.json": json.dumps(config(), indent=2)}, "first")
    return place


def plant_ticket(place: Place, slug: str) -> None:
    """A plan of one area with one ticket, as if planners had written them."""
    initialize(place.root / ".git")
    plan, area = PlanRepository(place.root / ".git"), AreaName("length")
    spec = plan.commit(UpdateSpec("# Units\n")).spec
    assert spec is not None
    snapshot = plan.commit(UpdateAreas(spec.oid, {area: "# Length\n"}))
    notes = f"Make the file units/{slug}.py; its only line is `FACTOR = <centimetres in one of {slug}>`."
    drafts = validate_drafts(area, {f"{slug}.md": draft(slug, notes=notes).encode()}, snapshot)
    plan.commit(CreateTickets(area, snapshot.areas[area].oid, drafts, 0))


@contextmanager
def surroundings(place: Place, url: str) -> Iterator[None]:
    """Within it the environment is that of a person with an empty home, whose Codex asks the model at `url`.

    What would leave the machine meets a proxy at a port where nobody listens: Codex looks for news, too.
    """
    (place.aside / "codex-home" / "config.toml").write_text(
        f'model_provider = "scripted"\n\n[model_providers.scripted]\nname = "scripted"\n'
        f'base_url = "{url}/v1"\nenv_key = "{KEY_NAME}"\nwire_api = "responses"\n'
        "request_max_retries = 1\nstream_max_retries = 1\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - set(KEPT):
            patch.delenv(name)
        patch.setenv("PATH", str(place.aside / "bin"), prepend=os.pathsep)
        patch.setenv("HOME", str(place.aside / "home"))
        patch.setenv("CODEX_HOME", str(place.aside / "codex-home"))
        patch.setenv("HTTP_PROXY", NO_WAY_OUT)
        patch.setenv("HTTPS_PROXY", NO_WAY_OUT)
        patch.setenv(KEY_NAME, KEY)
        yield


async def _play(place: Place, script: Script, commands: Sequence[Command]) -> Story:
    async with ModelServer(script).running() as model:
        story = Story(place, model)
        with surroundings(place, model.url):
            for words in commands:
                story.done.append(await trio.to_thread.run_sync(partial(place.scriptorium, *words)))
    return story


def play(place: Place, script: Script, *commands: Command) -> Story:
    """Run these commands of scriptorium, one after the other, each to its end."""
    return trio.run(_play, place, script, commands)
