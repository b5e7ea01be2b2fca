"""``status``: how things stand. Read from git and from records; takes no lock, changes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from scriptorium.cli.failure import Failure, printable
from scriptorium.cli.place import find_project, no_plan, read_config
from scriptorium.cli.standing import Standing, look
from scriptorium.cli.usage import Usage, in_words, usage_of
from scriptorium.plan.ids import TicketId
from scriptorium.plan.objects import ObjectMissing
from scriptorium.plan.parked import parked
from scriptorium.plan.refs import RefError
from scriptorium.plan.snapshot import Snapshot

SHOWN = 20
"""Of a list that somebody may have made a hundred thousand long."""


def status(at: str, *, as_json: bool, with_done: bool = False) -> int:
    """Print the state of the repository at ``at``; raises Failure when there is no plan branch.

    ``with_done`` reads the done tickets too, for what all agents have used: of ten thousand that takes a
    second of the processor, the rest a tenth of one.
    """
    project = find_project(at)
    try:
        standing = look(project, read_config(project))
        if standing is None:
            raise no_plan(project)
        usage = usage_of(standing.plan, with_done=with_done)
    except (RefError, ObjectMissing) as error:
        raise Failure(str(error)) from error
    if as_json:
        sys.stdout.write(f"{json.dumps(document(standing, usage), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines(standing, usage)))
    return 0


def document(standing: Standing, usage: Usage) -> dict[str, object]:
    """The contract's JSON document."""
    return {
        "tickets": _counts(standing.plan),
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
        "queue": {"pending": _pending(standing.plan), "active": standing.plan.active_ticket},
        "base": {
            "branch": standing.base.branch,
            "oid": standing.base.oid,
            "health": standing.base.health,
            "since": standing.base.since,
            "check": standing.base.check,
            "log": standing.base.log,
        },
        "remote": standing.remote.document() if standing.remote else None,
        "service": {
            "running": standing.service is not None,
            "pid": standing.service.pid if standing.service else None,
            "endpoint": standing.service.endpoint if standing.service else None,
        },
        "flakes": standing.flakes.document(),
        "usage": usage.document(),
    }


def lines(standing: Standing, usage: Usage) -> list[str]:
    """The text: the contract's lines first, then what else a person wants to know."""
    counts = _counts(standing.plan)
    shown = [
        f"Open: {counts['open']}",
        f"In Progress: {counts['in-progress']}",
        f"Done: {counts['done']}",
    ]
    if counts["stuck"]:
        shown.append(f"Stuck: {counts['stuck']}")
    shown += _agents(standing)
    pending = _listed(_pending(standing.plan)) or "nothing waits"
    landing = f"; landing {standing.plan.active_ticket}" if standing.plan.active_ticket else ""
    shown.append(f"Merge Queue: {pending}{landing}")
    names = parked(standing.plan).names
    if names:
        shown.append(f"Given up: {_listed(names)}; to try one again: scriptorium unpark NAME (or --all)")
    shown.append(_base(standing))
    if standing.remote:
        shown.append(standing.remote.line)
    if standing.service:
        shown.append(f"Service: running, pid {standing.service.pid}, {standing.service.endpoint}")
    else:
        left = "; `scriptorium run` ends these agents and goes on with their work" if standing.agents else ""
        shown.append(f"Service: not running{left}")
    shown += [line for line in standing.conditions if not _is_said_of_base(standing, line)]
    shown += _flakes(standing)
    shown += in_words(usage, SHOWN)
    problems = standing.plan.problems
    shown += [f"Unreadable: {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        shown.append(f"Unreadable: and {len(problems) - SHOWN} more: scriptorium check names them")
    return shown


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])


def _counts(plan: Snapshot) -> dict[str, int]:
    """The tickets of each state, by their names: one that cannot be read counts too."""
    return {str(state): len(folder.names) for state, folder in plan.folders.items()}


def _pending(plan: Snapshot) -> list[TicketId]:
    return [entry.ticket for entry in plan.pending if entry != plan.active]


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


def _flakes(standing: Standing) -> list[str]:
    """The last flaky check; the JSON has some more of them."""
    if not standing.flakes.last:
        return []
    last = standing.flakes.last[-1]
    told = f"`{last.command[:100]}` on {last.subject} at {last.seen}, see {last.log}"
    return [f"Flaky checks: {standing.flakes.count} seen; the last: {told}"]


def _is_said_of_base(standing: Standing, condition: str) -> bool:
    """Whether the running service says no more than the line of the base does."""
    since = standing.base.since
    return since is not None and condition.startswith(f"base red since {since}: ")


def _base(standing: Standing) -> str:
    base = standing.base
    if base.branch is None:
        return f"Base: not known: {base.problem}"
    if base.oid is None:
        return f"Base: {base.branch}, no commit yet"
    return f"Base: {base.branch} at {base.oid[:12]}, {base.state}"
