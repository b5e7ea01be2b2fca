"""How a repository stands, gathered for ``status``: plan branch, live agents, base branch, service.

Nothing here takes a lock or waits: while ``run`` works, or is dead, or never ran.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pygit2
from attrs import frozen

from scriptorium.cli.remote_standing import RemoteView, remote_view
from scriptorium.code.check_commands import ADD_TARGET, check_commands
from scriptorium.code.evidence import Result, Verdict, VerdictStore, checks_key
from scriptorium.code.flakes import Flakes, read_flakes
from scriptorium.code.red_since import red_since
from scriptorium.code.repository import (
    NoBaseBranch,
    Project,
    UnbornBase,
    base_branch,
    branch_tip,
    open_repository,
)
from scriptorium.config import Config
from scriptorium.harness.records import RunRecord, ServiceRecord, read_records, read_service_record
from scriptorium.plan.ids import Oid
from scriptorium.plan.reading import PlanMissing, PlanReader
from scriptorium.plan.snapshot import Snapshot

AGENT_ROLES = ("architect", "manager", "coding")
CONDITION_LIMIT_BYTES = 1024 * 1024


@frozen
class Base:
    """The base branch: its name (None when it cannot be told), tip, and what is known of it.

    ``problem`` says why it cannot be told, or why it is red; then ``since`` is RFC 3339, of when it was first
    seen so, ``check`` the command that fails and ``log`` the path of its output.
    """

    branch: str | None
    oid: Oid | None
    health: str
    no_checks: bool = False
    problem: str = ""
    since: str | None = None
    check: str | None = None
    log: str | None = None

    @property
    def state(self) -> str:
        """Its health, and where it is not as it should be, since when and why."""
        health = f"{self.health} (no checks)" if self.no_checks else self.health
        if self.since:
            health += f" since {self.since}"
        return f"{health}: {self.problem}" if self.problem else health


@frozen
class Standing:
    """One moment of a repository. ``service`` and ``agents`` are those that live."""

    plan: Snapshot
    agents: Sequence[RunRecord]
    base: Base
    service: ServiceRecord | None
    conditions: Sequence[str]
    flakes: Flakes
    remote: RemoteView | None


def look(project: Project, config: Config) -> Standing | None:
    """How the repository stands now; None when it has no plan branch.

    Raises RefError or ObjectMissing for a broken one.
    """
    repo = open_repository(project)
    try:
        plan = PlanReader(project.git_dir).read()
    except PlanMissing:
        return None
    service = read_service_record(project.state_dir / "service.json")
    live = service if service is not None and service.alive else None
    said = project.state_dir / "condition.json" if live is not None else None
    base = _base(project, config, repo)
    return Standing(
        plan=plan,
        agents=_live_agents(project),
        base=base,
        service=live,
        conditions=_conditions(said) if said is not None else (),
        flakes=read_flakes(project.state_dir),
        remote=remote_view(repo, config, base.branch, base.oid, said),
    )


def _live_agents(project: Project) -> list[RunRecord]:
    records = read_records(project.state_dir / "runs")
    agents = [record for record in records if record.facts.role in AGENT_ROLES and record.alive]
    return sorted(agents, key=lambda record: (record.facts.ticket or "", record.started, record.run_id))


def _conditions(path: Path) -> tuple[str, ...]:
    """What the running service says halts it; nothing while the file is just being written."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(CONDITION_LIMIT_BYTES))["lines"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(line for line in said if isinstance(line, str)) if isinstance(said, list) else ()


def base_of(project: Project, config: Config) -> Base:
    """How the base branch stands, whether there is a plan or not."""
    return _base(project, config, open_repository(project))


def _base(project: Project, config: Config, repo: pygit2.Repository) -> Base:
    try:
        branch = base_branch(repo, config.base_branch)
    except UnbornBase as error:
        return Base(error.branch, None, "unknown")
    except NoBaseBranch as error:
        return Base(None, None, "unknown", problem=str(error))
    tip = branch_tip(repo, branch)
    verdict = _verdict(project, config, repo, tip) if tip is not None else None
    if verdict is None:
        return Base(branch, tip, "unknown")
    if verdict.result is Result.GREEN:
        return Base(branch, tip, "green", no_checks=verdict.no_checks)
    hint = f": {ADD_TARGET}" if ADD_TARGET in verdict.output_tail else ""
    return Base(
        branch,
        tip,
        "red",
        problem=f"`{verdict.command}` fails, see {verdict.log}{hint}",
        since=red_since(project.state_dir, branch) or verdict.finished or None,
        check=verdict.command,
        log=verdict.log or None,
    )


def _verdict(project: Project, config: Config, repo: pygit2.Repository, tip: Oid) -> Verdict | None:
    """What is known of the tip's tree under the checks that the configuration asks for."""
    tree = Oid(str(repo[tip].peel(pygit2.Tree).id))
    key = checks_key(check_commands(repo, tree, config.checks))
    return VerdictStore(project.state_dir / "verdicts").get(tree, key)
