"""docs/plan-branch.md cannot go stale: it names everything that the code has, and its commands work."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from scriptorium.plan import transitions
from scriptorium.plan._audit_rules import MOVES
from scriptorium.plan._audit_tree import _rule_of
from scriptorium.plan.layout import ACTIVE, AREAS_FROM, KEEP, KEPT_FOLDERS, SPEC, TICKETED
from scriptorium.plan.message import Kind, Trailer
from scriptorium.plan.repair import RepairPlan
from scriptorium.plan.ticket import Field, Priority

from .plans import Plan

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "plan-branch.md").read_text()
RULES_ARE_IN = (
    *sorted((ROOT / "src/scriptorium/plan").glob("*audit*.py")),
    ROOT / "src/scriptorium/cli/check.py",
)
ODD_PATHS = ("tickets/open/x", "areas/x", "queue/merge/pending/x", ACTIVE, SPEC)


def rules() -> Iterator[str]:
    """The rule of every fault and finding that the code can make."""
    for path in RULES_ARE_IN:
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                constants = [word.value for word in call.args if isinstance(word, ast.Constant)]
                if call.func.id in {"Fault", "Finding"} and constants:
                    yield str(constants[0])
    yield from map(_rule_of, ODD_PATHS)


def test_every_rule_is_explained_and_no_other() -> None:
    audit = PAGE[PAGE.index("## What `check` says") :]
    cells = (line.split("|")[1] for line in audit.splitlines() if line.startswith("| `"))
    explained = {name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)}
    assert explained == set(rules())


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_transition_has_its_row(kind: Kind) -> None:
    found = [line for line in PAGE.splitlines() if re.match(rf"\| `{kind}( [A-Z]|`)", line)]
    assert len(found) == 1
    assert [move for move in MOVES.get(kind, ()) if f"{move[0]} to {move[1]}" not in found[0]] == []


def test_every_transition_is_named() -> None:
    named = {name for name in transitions.__all__ if name not in {"PreconditionFailed", "Transition"}}
    table = PAGE[PAGE.index("## Transitions") : PAGE.index("## Invariants")]
    assert {*named, RepairPlan.__name__} == {
        name for line in table.splitlines() for name in re.findall(r"^\| `[^`]+` \| `([A-Za-z]+)`", line)
    }


def test_every_trailer_field_and_place_is_named() -> None:
    words = [*Trailer, *Field, SPEC, AREAS_FROM, TICKETED, ACTIVE, KEEP, *KEPT_FOLDERS]
    assert [word for word in words if word not in PAGE] == []
    assert all(str(priority) in PAGE for priority in Priority)


@pytest.mark.slow
def test_the_commands_that_read_it_work(plan: Plan) -> None:
    ticket = plan.with_ticket()
    plan.assign(ticket)
    plan.enqueue(ticket)
    plan.land(ticket)
    block = PAGE[PAGE.index("## Reading it with git") :].split("```sh\n")[1].split("```")[0]
    outputs: dict[str, str] = {}
    for line in block.splitlines():
        words = shlex.split(line.replace("0007", ticket), comments=True)
        if "@{yesterday}" not in line:  # the repository is younger than that
            outputs[line] = plan.git(*words[1:])
    assert len(outputs) == 5
    first, *_, life, landed = outputs.values()
    assert len(first.splitlines()) == plan.length()
    assert life.splitlines()[0] == "scriptorium: complete ticket 0001"
    assert len(life.splitlines()) == 5
    assert len(landed) == 40
