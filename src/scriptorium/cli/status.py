"""``status``: how things stand. Read from git and from records; takes no lock, changes nothing."""

from __future__ import annotations

import json
import sys

from scriptorium.cli.failure import Failure, printable
from scriptorium.cli.place import find_project, no_plan, read_config
from scriptorium.cli.standing import Standing, look
from scriptorium.plan.refs import RefError


def status(at: str, *, as_json: bool) -> int:
    """Print the state of the repository at ``at``; raises Failure when there is no plan branch."""
    project = find_project(at)
    try:
        standing = look(project, read_config(project))
    except RefError as error:
        raise Failure(str(error)) from error
    if standing is None:
        raise no_plan(project)
    if as_json:
        sys.stdout.write(f"{json.dumps(document(standing), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines(standing)))
    return 0


def document(standing: Standing) -> dict[str, object]:
    """The contract's JSON document."""
    return {
        "tickets": dict(standing.plan.tickets),
        "agents": [
            {
                "ticket": agent.facts.ticket,
                "branch": agent.facts.branch,
                "worktree": agent.facts.worktree,
                "harness": agent.facts.harness,
                "attempt": agent.facts.attempt,
                "started": agent.started,
                "pid": agent.pid,
            }
            for agent in standing.agents
        ],
        "queue": {"pending": list(standing.plan.pending), "active": standing.plan.active},
        "base": {
            "branch": standing.base.branch,
            "oid": standing.base.oid,
            "health": standing.base.health,
        },
        "service": {
            "running": standing.service is not None,
            "pid": standing.service.pid if standing.service else None,
            "endpoint": standing.service.endpoint if standing.service else None,
        },
    }


def lines(standing: Standing) -> list[str]:
    """The text: the contract's lines first, then what else a person wants to know."""
    counts = standing.plan.tickets
    shown = [
        f"Open: {counts['open']}",
        f"In Progress: {counts['in-progress']}",
        f"Done: {counts['done']}",
    ]
    if counts["stuck"]:
        shown.append(f"Stuck: {counts['stuck']}")
    shown += _agents(standing)
    pending = ", ".join(standing.plan.pending) or "nothing waits"
    landing = f"; landing {standing.plan.active}" if standing.plan.active else ""
    shown.append(f"Merge Queue: {pending}{landing}")
    shown.append(_base(standing))
    if standing.service:
        shown.append(f"Service: running, pid {standing.service.pid}, {standing.service.endpoint}")
    else:
        left = "; `scriptorium run` ends these agents and goes on with their work" if standing.agents else ""
        shown.append(f"Service: not running{left}")
    shown += standing.conditions
    shown += [f"Unreadable: {path}: {reason}" for path, reason in standing.plan.problems]
    return shown


def _agents(standing: Standing) -> list[str]:
    if not standing.agents:
        return ["Active Agent: none"]
    shown: list[str] = []
    for agent in standing.agents:
        facts = agent.facts
        area = f" for {facts.area}" if facts.area else ""
        shown.append(f"Active Agent: {facts.ticket or facts.role + area}")
        fields = {
            "Branch": facts.branch,
            "Worktree": facts.worktree,
            "Harness": facts.harness,
            "Attempt": facts.attempt,
            "Started": agent.started,
            "PID": agent.pid,
        }
        shown += [f"  {name}: {value}" for name, value in fields.items() if value is not None]
    return shown


def _base(standing: Standing) -> str:
    base = standing.base
    if base.branch is None:
        return f"Base: not known: {base.problem}"
    if base.oid is None:
        return f"Base: {base.branch}, no commit yet"
    health = f"{base.health} (no checks)" if base.no_checks else base.health
    if base.problem:
        health += f": {base.problem}"
    return f"Base: {base.branch} at {base.oid[:12]}, {health}"
