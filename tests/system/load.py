"""A repository in which much goes on at once: agents work, land and plan, and a person changes the spec."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from attrs import define, field

from .conftest import MakePlace
from .history import tickets
from .life import Life
from .places import AGENTS, Place
from .service import COMMAND, clean_environment, marked
from .waiting import PATIENCE_SECONDS

AREAS = ("alpha", "beta", "gamma", "delta", "epsilon")
KINDS = {"good": 4, "bad": 2, "shared": 4, "many": 2, "commits": 2, "twice": 2, "daemon": 1}
"""How often each kind of ticket is drawn; what they are is in `tests/agents/loaded.py`."""
LINE_ENDS = "*.txt text eol=lf\n"
"""With an attribute that asks for cleaning, each submission needs a temporary folder."""

CHECK = """\
# Passes where nothing is broken, on exactly the tree of a commit; tells the trees that passed.
# A program of it that is killed has not found nothing.
if test -e parts; then
    grep -rqs broken parts
    case $? in 0) exit 1 ;; 1) ;; *) exit 2 ;; esac
fi
changes=$(GIT_OPTIONAL_LOCKS=0 git status --porcelain) || exit 3
test -z "$changes" || exit 3
git rev-parse 'HEAD^{tree}' >> "$1/passed"
"""


@define
class Load:
    """A place, the work that it was given so far, and what its commands have acknowledged."""

    place: Place
    random: Random
    slugs: dict[str, list[str]] = field(factory=lambda: {area: [] for area in AREAS})
    committed: list[str] = field(factory=list)
    """The plan commits that `plan --from` said it made."""

    @property
    def spec(self) -> str:
        """A line for each area, see `tests/agents/loaded.py`."""
        lines = [f"area {area}: {' '.join(slugs)}\n" for area, slugs in self.slugs.items() if slugs]
        return "# A spec\n\n" + "".join(lines)

    @property
    def given(self) -> list[str]:
        """Every ticket that there is to be."""
        return [slug for slugs in self.slugs.values() for slug in slugs]

    def think_of_more(self, areas: int = 3, tickets: int = 3) -> None:
        """Some more tickets in some areas."""
        for area in self.random.sample(AREAS, areas):
            for _ in range(tickets):
                (kind,) = self.random.choices(list(KINDS), list(KINDS.values()))
                self.slugs[area].append(f"{area}-{len(self.slugs[area]) + 1}-{kind}")

    def unfinished(self) -> int:
        """How many tickets are still to land."""
        done = [slug for slug, state in tickets(self.place).items() if state == "done"]
        return len(self.given) - len(done)

    def live(self, *words: str) -> Life:
        """Start a life of the service."""
        place = self.place
        scratch = place.aside / "tmp"
        scratch.mkdir(exist_ok=True)
        life = Life(place.root, place.aside, scratch, "--port", "0", *words)
        place.services.append(life)
        return life

    @contextmanager
    def plan(self) -> Iterator[None]:
        """`plan --from` with the spec as it is now, beside what the block does.

        It has to succeed, but for when a service was killed at the very moment at which it had the plan
        branch locked, and none has started since: then it has to say so.
        """
        with self._beside("plan", "--from", "-", said=self.spec) as answers:
            yield
        (answer,) = answers
        if answer.startswith("Committed the spec"):
            self.committed.append(answer.partition("(")[2].partition(")")[0])

    @contextmanager
    def look(self) -> Iterator[None]:
        """A reader beside what the block does; it has to get a whole answer."""
        with self._beside(self.random.choice(["status", "worktrees"]), "--json") as answers:
            yield
        json.loads(answers[0])

    @contextmanager
    def _beside(self, *words: str, said: str = "") -> Iterator[list[str]]:
        answers: list[str] = []
        process = subprocess.Popen(
            [COMMAND, *words],
            cwd=self.place.root, env=clean_environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with process:
            assert process.stdin is not None
            process.stdin.write(said)
            process.stdin.close()
            process.stdin = None
            try:
                yield answers
            finally:
                out, err = process.communicate(timeout=PATIENCE_SECONDS)
        locked = words[0] == "plan" and "plan.lock: if no git program is running" in err
        assert process.returncode == 0 or locked, f"{words}: {out}{err}"
        answers.append(out)

    def kill_agents(self, share: float) -> None:
        """Kill about this share of the processes of all runs, at least one if there are any."""
        found = sorted(marked(self.place.root))
        chosen = [pid for pid in found if self.random.random() < share]
        for pid in chosen or found[:1]:
            kill_if_there(pid)


def kill_if_there(pid: int) -> None:
    """SIGKILL; one that is gone meanwhile is fine."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def make_load(make: MakePlace, seed: str, **config: Any) -> Load:
    """A place without a plan, that can be given one with `think_of_more` and `plan`."""
    place: Place = make(
        {},
        spec=None,
        planted=False,
        files={".gitattributes": LINE_ENDS, "parts/shared.txt": "good, last by nobody\n"},
        config={
            "concurrency": {"maxAgents": 4},
            "tickets": {"maxReopens": 1000},
            "agents": {role: {"maxAttempts": 1000} for role in ("architect", "manager", "coding")},
        }
        | config,
    )
    (place.aside / "check.sh").write_text(CHECK)
    path = place.root / "scriptorium.json"
    settings = json.loads(path.read_text())
    settings["checks"] = [["sh", str(place.aside / "check.sh"), str(place.aside)]]
    for agent in settings["agents"].values():
        agent["command"] = [sys.executable, str(AGENTS / "loaded.py"), str(place.aside)]
    place.commit({"scriptorium.json": json.dumps(settings, indent=2)}, "agents that need no script")
    return Load(place, Random(seed))  # noqa: S311 - to draw the same again is what it is for
