"""``check``: is the plan branch sound, and each commit of it a transition? ``--fix`` mends what can be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, islice

import pygit2
from attrs import field, frozen

from scriptorium.cli.failure import EXIT_FAILED, Failure, printable
from scriptorium.cli.place import find_project, no_plan, read_config
from scriptorium.cli.progress import Progress
from scriptorium.code.contained import HistoryCut, not_contained
from scriptorium.code.repository import (
    NoBaseBranch,
    Project,
    UnbornBase,
    base_branch,
    branch_tip,
    open_repository,
)
from scriptorium.config import Config
from scriptorium.plan.audit import MAX_FINDINGS, Audit, Finding, Severity
from scriptorium.plan.edits import FolderBlocked
from scriptorium.plan.mending import mend
from scriptorium.plan.objects import ObjectMissing
from scriptorium.plan.reading import PlanMissing
from scriptorium.plan.refs import RefError, enable_fsync
from scriptorium.plan.repair import Repair
from scriptorium.plan.repository import InvariantBroken, PlanBusy


def check(at: str, *, as_json: bool, fix: bool) -> int:
    """Print what is wrong with the plan branch at ``at``, and what ``fix`` has mended.

    Returns 1 when anything is wrong; what is only worth knowing (a note) is no fault. Without ``fix`` it
    takes no lock and changes nothing.
    """
    if fix:
        enable_fsync()
    project = find_project(at)
    config = read_config(project)
    # Each object is read once or twice: kept, those of a long history would be most of the memory.
    pygit2.settings.enable_caching(False)
    try:
        mended = _mend(project) if fix else ()
        report = _look(project, config, mended)
    except PlanMissing as error:
        raise no_plan(project) from error
    except (RefError, ObjectMissing) as error:
        raise Failure(f"the plan branch cannot be read: {error}; `git fsck` names what is damaged") from error
    finally:
        pygit2.settings.enable_caching(True)
    if as_json:
        sys.stdout.write(f"{json.dumps(_document(report), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in _lines(report)))
    return EXIT_FAILED if report.errors else 0


@frozen
class Report:
    """What was found at one commit of the plan branch; ``mendable`` counts what ``--fix`` could mend."""

    commit: str
    commits: int
    tickets: int
    findings: Sequence[Finding] = field(repr=False)
    complete: bool
    mended: Sequence[Repair]
    mendable: int

    @property
    def errors(self) -> int:
        """How many findings are faults."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def notes(self) -> int:
        """How many findings are only worth knowing."""
        return len(self.findings) - self.errors


def _mend(project: Project) -> Sequence[Repair]:
    """Mend what can be. What keeps it from being done is said; the findings then say what is left."""
    try:
        return mend(project.git_dir)
    except (PlanBusy, FolderBlocked, InvariantBroken) as error:
        sys.stderr.write(f"scriptorium: nothing was mended: {printable(str(error))}\n")
        return ()


def _look(project: Project, config: Config, mended: Sequence[Repair]) -> Report:
    audit = Audit(project.git_dir)
    with Progress("commits") as progress:
        every = chain(audit.tree(), audit.history(progress.at), _of_base(project, config, audit))
        findings = tuple(islice(every, MAX_FINDINGS))
    return Report(
        commit=audit.commit,
        commits=audit.commits,
        tickets=sum(len(folder.names) for folder in audit.snapshot.folders.values()),
        findings=findings,
        complete=next(every, None) is None,
        mended=mended,
        mendable=len(audit.possible_repairs()),
    )


def _of_base(project: Project, config: Config, audit: Audit) -> Iterator[Finding]:
    """What the plan says has landed must be in the base branch, as far as that can be told."""
    if not audit.landed:
        return
    try:
        repo = open_repository(project)
        branch = base_branch(repo, config.base_branch)
        tip = branch_tip(repo, branch)
        missing = frozenset(audit.landed) if tip is None else not_contained(repo, tip, audit.landed.keys())
    except (UnbornBase, NoBaseBranch, HistoryCut) as error:
        said = f"whether the base branch contains what has landed cannot be told: {error}"
        yield Finding(Severity.NOTE, "base-unknown", said)
        return
    for landed, (commit, ticket) in audit.landed.items():
        if landed in missing:
            said = f"ticket {ticket} landed as {landed[:12]}, which the branch {branch} does not contain"
            yield Finding(Severity.ERROR, "landed-not-in-base", said, commit)


def _lines(report: Report) -> Iterator[str]:
    yield from (f"mended: {repair.words}" for repair in report.mended)
    yield from map(str, report.findings)
    if not report.complete:
        yield f"and more: these are the first {MAX_FINDINGS}"
    looked_at = f"{report.commits} commits and {report.tickets} tickets looked at"
    if not report.findings:
        yield f"The plan branch is sound: {looked_at}."
        return
    yield f"{_count(report.errors, 'error')}, {_count(report.notes, 'note')}; {looked_at}."
    if report.mendable:
        yield f"Of this, `scriptorium check --fix` can mend {report.mendable}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number or 'no'} {what}s"


def _document(report: Report) -> dict[str, object]:
    return {
        "commit": report.commit,
        "commits": report.commits,
        "tickets": report.tickets,
        "errors": report.errors,
        "notes": report.notes,
        "complete": report.complete,
        "mendable": report.mendable,
        "mended": [{"path": repair.path, "message": repair.words} for repair in report.mended],
        "findings": [
            {
                "severity": str(finding.severity),
                "rule": finding.rule,
                "commit": finding.commit,
                "path": finding.path,
                "message": finding.message,
            }
            for finding in report.findings
        ],
    }
