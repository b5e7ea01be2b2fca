"""A repository whose agents are a real CLI, which asks a model on loopback.

`scriptorium` runs as a process of its own, with an empty home and nothing of the environment of whoever runs
the tests. The CLI on its PATH is the real one with a recorder around it.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trio
from attrs import define, field, frozen

from scriptorium.harness.interface import last_message_path
from scriptorium.harness.output import mask
from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import AreaName
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.ticket import Ticket
from scriptorium.plan.transitions import CreateTickets, UpdateAreas, UpdateSpec
from tests.agents import recorded_cli
from tests.system.history import ids, shown, tickets
from tests.system.places import Place
from tests.system.service import is_alive, marked

from .clis import KEY, Cli, read_events
from .model_server import Conversation, ModelServer, Recorded, Script, Shell

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
class CliRun:
    """One run of the CLI: what scriptorium started, and what the CLI printed."""

    cli: Cli
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
    def masked(self) -> bytes:
        """What it printed, without the secrets."""
        return mask((KEY, *([self.token] if self.token else [])), self.printed)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it printed, read."""
        return read_events(self.printed)

    @property
    def session(self) -> str:
        """The session that it said it works in."""
        return self.cli.session_in(self.events)

    @property
    def is_resumed(self) -> bool:
        """Whether it was told to go on with a session."""
        return "resume" in self.argv or "--resume" in self.argv


@define(slots=False)
class Story:
    """What was done in one place, and everything that can be seen of it afterwards."""

    cli: Cli
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
    def runs(self) -> tuple[CliRun, ...]:
        """Every run of the CLI, in the order of their starts. To be looked at when all is over."""
        records = sorted((self.place.aside / "runs").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return tuple(_run(self.cli, path) for path in records)

    @property
    def logs(self) -> frozenset[Path]:
        """The logs of all runs."""
        return frozenset((self.place.root / ".scriptorium" / "logs").glob("*/*.jsonl"))

    def log_of(self, run: CliRun) -> Path:
        """The one log with every byte that this run printed, but for the secrets."""
        (found,) = (log for log in self.logs if log.read_bytes() == run.masked)
        return found

    def last_message_of(self, run: CliRun) -> str:
        """What was kept beside the log as the last message."""
        return last_message_path(self.log_of(run)).read_text()

    @property
    def conversations(self) -> list[Conversation]:
        """What the model was asked, in order."""
        return self.model.conversations

    @property
    def questions(self) -> list[Recorded]:
        """The requests that asked the model something."""
        return [request for request in self.model.requests if request.conversation is not None]

    def runs_of(self, slug: str) -> list[CliRun]:
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


def _run(cli: Cli, path: Path) -> CliRun:
    facts = json.loads(path.read_text())
    return CliRun(
        cli=cli,
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


def config(cli: Cli, **coding: object) -> dict[str, Any]:
    """The config of the repository: the CLI for every role, by its model's name; more for one of them."""
    agent = {"model": cli.model, "env": [*cli.passed]}
    return {"agents": dict.fromkeys(("architect", "manager"), agent) | {"coding": agent | coding}}


def make_cli_place(cli: Cli, folder: Path, settings: dict[str, Any] | None = None) -> Place:
    """A repository of one commit with these settings, and the CLI's program in a folder aside."""
    place = Place(folder / "repo", folder / "aside")
    place.root.mkdir(parents=True)
    for name in ("home", "runs", "bin"):
        (place.aside / name).mkdir(parents=True)
    assert cli.real is not None
    command = [sys.executable, recorded_cli.__file__, str(place.aside / "runs"), cli.real]
    program = place.aside / "bin" / cli.program
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)
    place.git("init", "-q", "-b", "main")
    place.commit({**FILES, "scriptorium.json": json.dumps(settings or config(cli), indent=2)}, "first")
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
def surroundings(cli: Cli, place: Place, url: str) -> Iterator[None]:
    """Within it the environment is that of a person with an empty home, whose CLI asks the model at `url`.

    What would leave the machine meets a proxy at a port where nobody listens: the CLIs look for news, too.
    """
    home = place.aside / "home"
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - set(KEPT):
            patch.delenv(name)
        patch.setenv("PATH", str(place.aside / "bin"), prepend=os.pathsep)
        own = {"HOME": str(home), "HTTP_PROXY": NO_WAY_OUT, "HTTPS_PROXY": NO_WAY_OUT}
        for name, value in {**own, **cli.settle(home, url)}.items():
            patch.setenv(name, value)
        yield


Act: TypeAlias = Sequence[str] | Callable[[Story], None]
"""A command of scriptorium, to its end; or anything else that a person, or fate, does."""


async def _play(cli: Cli, place: Place, script: Script, acts: Sequence[Act]) -> Story:
    async with ModelServer(script, cli.api).running() as model:
        story = Story(cli, place, model)
        with surroundings(cli, place, model.url):
            for act in acts:
                await trio.to_thread.run_sync(partial(_do, story, act))
    return story


def _do(story: Story, act: Act) -> None:
    if callable(act):
        act(story)
    else:
        story.done.append(story.place.scriptorium(*act))


def play(cli: Cli, place: Place, script: Script, *acts: Act) -> Story:
    """Do these, one after the other, with the model there; all that can be seen of it afterwards."""
    return trio.run(_play, cli, place, script, acts)


def kill_agents(story: Story) -> None:
    """`kill -9` of every process that was started for an agent, and nothing else."""
    for pid in marked(story.place.root):
        with suppress(ProcessLookupError):  # the one before has taken it along
            os.kill(pid, signal.SIGKILL)


def bury_orphans(place: Place) -> None:
    """Wait for the dead that a killed service has left, and for nobody else's.

    They are this process's children when a test before has run an agent in it: it adopts then.
    """
    services = {service.pid for service in place.services}
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, path.read_text().split()):
            if pid not in services and not is_alive(pid):
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
