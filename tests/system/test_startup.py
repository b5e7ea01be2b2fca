"""How long the quick commands take, as a multiple of the bare interpreter in the same run."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pygit2
import pytest

from scriptorium.plan.drafts import validate_drafts
from scriptorium.plan.ids import AreaName
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import CreateTickets, UpdateAreas, UpdateSpec

ROUNDS = 15
COMMAND = str(Path(sys.executable).with_name("scriptorium"))
DRAFT = (
    b"# A ticket\n\n## Goal\n\nMake it.\n\n## Acceptance Criteria\n\n- It works.\n\n## Notes\n\nNone: %d\n"
)


def planned(root: Path, tickets: int) -> Path:
    """A repository with a commit and a plan of that many tickets."""
    git = pygit2.init_repository(str(root), initial_head="main")
    who = pygit2.Signature("A Person", "person@example.org", 1_700_000_000, 0)
    git.create_commit("HEAD", who, who, "work", git.TreeBuilder().write(), [])
    initialize(root / ".git")
    plan, area = PlanRepository(root / ".git"), AreaName("core")
    spec = plan.commit(UpdateSpec("# A spec\n")).spec
    assert spec is not None
    snapshot = plan.commit(UpdateAreas(spec.oid, {area: "# Core\n"}))
    drafts = validate_drafts(area, {f"t{n}.md": DRAFT % n for n in range(tickets)}, snapshot)
    plan.commit(CreateTickets(area, snapshot.areas[area].oid, drafts, 0))
    return root


def multiples(commands: dict[str, list[str]], cwd: Path) -> dict[str, float]:
    """The least time of each command, over the least time of ``python -c pass``, taken in turns.

    The least of several runs is what the program costs; all the rest of a time is the machine's doing.
    """
    times: dict[str, list[float]] = {name: [] for name in ("pass", *commands)}
    for _round in range(ROUNDS):
        for name, argv in {"pass": [sys.executable, "-c", "pass"], **commands}.items():
            started = time.perf_counter()
            subprocess.run(argv, cwd=cwd, capture_output=True, check=True)
            times[name].append(time.perf_counter() - started)
    return {name: min(times[name]) / min(times["pass"]) for name in commands}


@pytest.mark.slow
@pytest.mark.req("V1-00a", "V1-29")
def test_quick_commands_are_quick(tmp_path: Path) -> None:
    root = planned(tmp_path, 100)
    configured = tmp_path / "scriptorium.json"
    bare = multiples(
        {
            "--version": [COMMAND, "--version"],
            "--help": [COMMAND, "--help"],
            "status --help": [COMMAND, "status", "--help"],
            "status": [COMMAND, "status"],
            "status --json": [COMMAND, "status", "--json"],
        },
        root,
    )
    configured.write_text('{"checks": ["make test"], "agents": {"coding": {"model": "gpt-5"}}}')
    bare |= multiples({"status with a configuration": [COMMAND, "status"]}, root)
    limits = {name: 14.0 if name.startswith("status") and "help" not in name else 8.0 for name in bare}
    assert {name: round(value, 1) for name, value in bare.items() if value > limits[name]} == {}, bare
