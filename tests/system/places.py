"""A repository with a plan, agents that follow a script, and a folder aside where they say what they did."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import Factory, field, frozen

from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import AreaName
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import CreateTickets, UpdateAreas, UpdateSpec

from .gates import Gates
from .service import COMMAND, Service, clean_environment, marked
from .waiting import LOOK_AGAIN_SECONDS, PATIENCE_SECONDS, T, until, until_rung

AGENTS = Path(__file__).resolve().parent.parent / "agents"
SPEC = "# A spec\n\nBuild the parts.\n"
MAKEFILE = "test:\n\t@! grep -rl bad parts\n"
IDENTITY = ("-c", "user.name=A Person", "-c", "user.email=person@example.org")

Acts = Sequence[Sequence[Sequence[Any]]]


@frozen
class Work:
    """A ticket: what its agents do, start by start, and what it depends on."""

    slug: str
    acts: Acts
    depends: str = ""

    @property
    def draft(self) -> str:
        """The ticket as a manager writes it."""
        depends = f"**Depends:** {self.depends}\n\n" if self.depends else ""
        return (
            f"# {self.slug}\n\n{depends}## Goal\n\nMake {self.slug}.\n\n"
            "## Acceptance Criteria\n\n- It is there.\n\n## Notes\n\nNone.\n"
        )


def part(slug: str, text: str = "good") -> list[Any]:
    """The step that writes a ticket's own file."""
    return ["write", f"parts/{slug}.txt", f"{text} {slug}\n"]


def good(slug: str, *before: Sequence[Any], depends: str = "") -> Work:
    """A ticket whose agent takes these steps, does its work and submits, at the first try."""
    return Work(slug, [[*before, part(slug), ["submit"]]], depends)


@frozen
class Place:
    """One repository, and the folder aside."""

    root: Path
    aside: Path
    services: list[Service] = field(factory=list)
    gates: Gates = field(default=Factory(lambda self: Gates(self.aside), takes_self=True))

    # ---- the user's side

    def git(self, *words: str) -> str:
        """What the user types; fails when git does."""
        done = subprocess.run(
            ["git", *IDENTITY, *words],
            cwd=self.root, env=clean_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"git {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def commit(self, files: Mapping[str, str], message: str = "by hand") -> str:
        """Commit files in the user's checkout."""
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        self.git("add", *files)
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def scriptorium(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Another command of scriptorium, to its end."""
        return subprocess.run(
            [COMMAND, *words],
            cwd=self.root, env=clean_environment(), input=stdin, capture_output=True, text=True,
            check=False, timeout=PATIENCE_SECONDS,
        )  # fmt: skip

    def status(self) -> Any:
        """`status --json`."""
        done = self.scriptorium("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run(self, *words: str) -> Service:
        """Start a life of the service, at any free port unless the words name one."""
        return self.run_as_configured(*(() if "--port" in words else ("--port", "0")), *words)

    def run_as_configured(self, *words: str) -> Service:
        """Start a life of the service with these words and no other."""
        service = Service(self.root, self.aside, *words)
        self.services.append(service)
        return service

    def finish(self, *, code: int = 0) -> Service:
        """A life that ends when there is nothing left to do, with this exit code."""
        service = self.run("--until-idle")
        assert service.end() == code, f"{service.log}\n{service.output}"
        return service

    # ---- what the agents and checks said

    def events(self, event: str | None = None, name: str | None = None) -> list[dict[str, Any]]:
        """What the agents told, in order."""
        return [
            told
            for told in _lines(self.aside / "events.jsonl")
            if event in {None, told["event"]} and name in {None, told["name"]}
        ]

    def checks(self, subject: str | None = None) -> list[dict[str, Any]]:
        """What the runs of the gated check told, in order."""
        return [told for told in _lines(self.aside / "checks.jsonl") if subject in {None, told["subject"]}]

    def await_told(self, event: str, name: str, times: int = 1) -> dict[str, Any]:
        """Wait until an agent has told this so many times; the last of them."""

        def told() -> list[dict[str, Any]]:
            self._running()
            found = self.events(event, name)
            return found if len(found) >= times else []

        return self._until_rung(told, f"{event} of {name}")[-1]

    def await_file(self, name: str) -> Path:
        """Wait until a file aside is there, made by an agent or a check, which ring then."""
        self._until_rung(lambda: self._running() and (self.aside / name).exists(), name)
        return self.aside / name

    def _until_rung(self, condition: Callable[[], T], what: str) -> T:
        service = self.services[-1]
        return until_rung(
            self.aside / "bell", service.pid, condition, lambda: f"{what}: {self.events()}\n{service.log}"
        )

    def await_landing(self, slug: str) -> None:
        """Wait until the files of this landing begin to move: its ref is there before."""
        (ticket,) = (path.name[:4] for path in self._ticket_files() if path.name[5:-3] == slug)
        ref = self.root / ".git" / "refs" / "scriptorium" / "landing" / ticket
        self.await_path(ref, look_again_seconds=0.0005)

    def _ticket_files(self) -> list[Path]:
        names = self.git("ls-tree", "-r", "--name-only", "scriptorium/plan", "tickets/").splitlines()
        return [Path(name) for name in names]

    def await_path(self, path: Path, *, look_again_seconds: float = LOOK_AGAIN_SECONDS) -> Path:
        """Wait until there is something at this path."""
        until(
            lambda: self._running() and path.exists(),
            lambda: f"{path}\n{self.services[-1].log}",
            look_again_seconds=look_again_seconds,
        )
        return path

    def _running(self) -> bool:
        """Fails when the service, for which something is waited, has ended before."""
        service = self.services[-1]
        code = service.process.poll()
        assert code in {None, 0}, f"ended with {code}:\n{service.log}"
        return True

    def await_held(self, gate: str) -> None:
        """Wait until an agent is held at this gate."""
        self.await_file(f"{gate}.held")

    def let_go(self, gate: str) -> None:
        """Let whoever is, or will be, held at this gate go on."""
        self.gates.open(f"{gate}.gate")

    def hold_check(self, subject: str) -> None:
        """Hold the gated check of this ticket id, or `base`, when it comes."""
        self.gates.close(f"{subject}.hold")

    def await_checking(self, subject: str) -> None:
        """Wait until the check of this subject is held."""
        self.await_file(f"{subject}.checking")

    def let_check(self, subject: str) -> None:
        """Let the check of this subject go on."""
        self.gates.open(f"{subject}.hold")

    def clear_away(self) -> list[str]:
        """End what a failed test left; says what there was."""
        left = []
        for service in self.services:
            if service.process.poll() is None:
                left.append(f"run, pid {service.pid}")
                service.kill()
        for pid, command in marked(self.root).items():
            left.append(command)
            with contextlib.suppress(ProcessLookupError):  # the one before has taken it along
                os.kill(pid, signal.SIGKILL)
        self.gates.open_all()
        return left


def _lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file that others are writing: only whole ones."""
    if not path.exists():
        return []
    whole = path.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def make_place(
    folder: Path,
    works: Mapping[str, Sequence[Work]],
    *,
    config: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
    acts: Mapping[str, Acts] | None = None,
    spec: str | None = SPEC,
    planted: bool = True,
    gated: bool = False,
) -> Place:
    """A repository with one commit, clean, and a plan of these areas with their tickets.

    `planted` puts areas and tickets on the plan branch; otherwise the scripted planners write them.
    `acts` are the steps of architect and managers, by name. `gated` makes the gated check the check.
    """
    place = Place(folder / "repo", folder / "aside")
    place.root.mkdir(parents=True)
    place.aside.mkdir()
    areas = {area: f"# {area}\n\nThe parts of {area}.\n" for area in works}
    all_acts = {work.slug: work.acts for found in works.values() for work in found} | dict(acts or {})
    script = {
        "areas": areas,
        "tickets": {area: {work.slug: work.draft for work in found} for area, found in works.items()},
        "acts": all_acts,
    }
    (place.aside / "script.json").write_text(json.dumps(script))
    for step in (step for act in all_acts.values() for steps in act for step in steps):
        if step[0] == "hold":
            place.gates.close(f"{step[1]}.gate")
    place.git("init", "-q", "-b", "main")
    place.commit(
        {
            "Makefile": MAKEFILE,
            "parts/first.txt": "good first\n",
            "scriptorium.json": json.dumps(_config(place, config or {}, gated=gated), indent=2),
            **(files or {}),
        },
        "first",
    )
    initialize(place.root / ".git")
    if spec is not None:
        PlanRepository(place.root / ".git").commit(UpdateSpec(spec))
    if planted and works:
        plant(place, areas, works)
    return place


def _config(place: Place, config: Mapping[str, Any], *, gated: bool) -> dict[str, Any]:
    command = [sys.executable, str(AGENTS / "scripted.py"), str(place.aside / "script.json")]
    agent = {"harness": "command", "command": command}
    given = dict(config)
    agents = given.pop("agents", {})
    found: dict[str, Any] = {
        "agents": {role: agent | agents.get(role, {}) for role in ("architect", "manager", "coding")}
    }
    if gated:
        found["checks"] = [[sys.executable, str(AGENTS / "gated_check.py"), str(place.aside)]]
    return found | given


def plant(place: Place, areas: Mapping[str, str], works: Mapping[str, Sequence[Work]]) -> None:
    """Put areas and tickets on the plan branch by the plan's own transitions."""
    plan = PlanRepository(place.root / ".git")
    spec = plan.read().spec
    assert spec is not None
    snapshot = plan.commit(UpdateAreas(spec.oid, {AreaName(name): text for name, text in areas.items()}))
    for name, found in works.items():
        area = AreaName(name)
        drafts = validate_drafts(area, {f"{work.slug}.md": work.draft.encode() for work in found}, snapshot)
        snapshot = plan.commit(CreateTickets(area, snapshot.areas[area].oid, drafts, 0))
