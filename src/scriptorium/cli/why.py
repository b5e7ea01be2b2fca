"""``why``: from a line of the base branch to its ticket, area, spec, agent and evidence."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pygit2

from scriptorium.cli.failure import Failure, printable
from scriptorium.cli.place import find_project, read_config
from scriptorium.cli.why_words import Answer, Brought, document, lines
from scriptorium.code.blame import BaseFile, NoSuchLine, find_file, last_change, line_origin, shares
from scriptorium.code.evidence import VerdictStore
from scriptorium.code.repository import (
    NoBaseBranch,
    Project,
    UnbornBase,
    base_branch,
    branch_tip,
    open_repository,
)
from scriptorium.code.why import Background, Origin, background, origins, ticket_of
from scriptorium.code.working_file import in_checkout
from scriptorium.plan.ids import Oid
from scriptorium.plan.objects import ObjectMissing
from scriptorium.plan.reading import PlanMissing, PlanReader
from scriptorium.plan.refs import RefError
from scriptorium.plan.snapshot import Snapshot

MAX_LISTED = 100
"""Of the commits that brought a file's lines, the newest."""

_WITH_LINE = re.compile(r"(.+):([0-9]{1,9})", re.DOTALL)


def why(at: str, words: str, *, as_json: bool) -> int:
    """Print where a line of a file comes from, or the last change of the file, as the base branch has it.

    Raises Failure when there is no such file or line there. Takes no lock, changes nothing.
    """
    project = find_project(at)
    configured = read_config(project).base_branch
    try:
        answer = _look(project, configured, at, words)
    except (UnbornBase, NoBaseBranch) as error:
        raise Failure(str(error)) from error
    except (RefError, ObjectMissing, KeyError, ValueError, pygit2.GitError) as error:
        raise Failure(f"the history cannot be read: {error}; `git fsck` names what is damaged") from error
    if as_json:
        sys.stdout.write(f"{json.dumps(document(answer), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines(answer)))
    return 0


def _look(project: Project, configured: str | None, at: str, words: str) -> Answer:
    repo = open_repository(project)
    branch = base_branch(repo, configured)
    tip = branch_tip(repo, branch)
    if tip is None:
        raise UnbornBase(branch, bare=project.bare)
    top = _top(at)
    try:
        file, line = _asked(repo, tip, at, top, words)
        commit = last_change(repo, file) if line is None else line_origin(repo, file, line)
    except NoSuchLine as error:
        raise Failure(f"{words}: {error} (looked for on the branch {branch})") from error
    plan = _plan(project)
    brought = shares(repo, file) if line is None else ()
    listed = brought[:MAX_LISTED]
    found = origins(project, repo, {commit, *(share.commit for share in listed)}, plan)
    return Answer(
        file=file,
        line=line,
        branch=branch,
        in_checkout=None if top is None or file.data is None else in_checkout(top / file.path, file.data),
        has_plan=plan is not None,
        origin=found[commit],
        background=_background(project, plan, found[commit]),
        brought=tuple(_brought(plan, found[share.commit], share.lines) for share in listed),
        unlisted=len(brought) - len(listed),
    )


def _plan(project: Project) -> Snapshot | None:
    try:
        return PlanReader(project.git_dir).read()
    except PlanMissing:
        return None


def _background(project: Project, plan: Snapshot | None, origin: Origin) -> Background | None:
    if plan is None or origin.completion is None:
        return None
    verdicts = VerdictStore(project.state_dir / "verdicts")
    return background(project, plan, origin, origin.completion, verdicts)


def _brought(plan: Snapshot | None, origin: Origin, count: int) -> Brought:
    if plan is None or origin.completion is None:
        return Brought(origin, count, None)
    ticket = ticket_of(plan, origin.completion.ticket)[1]
    return Brought(origin, count, None if ticket is None else ticket.title)


def _top(at: str) -> Path | None:
    """The top folder of the checkout that ``at`` is in, a linked one too; None in a bare repository."""
    found = pygit2.discover_repository(os.path.realpath(at))
    folder = None if found is None else pygit2.Repository(found).workdir
    return None if folder is None else Path(os.path.realpath(folder))


def _asked(
    repo: pygit2.Repository, tip: Oid, at: str, top: Path | None, words: str
) -> tuple[BaseFile, int | None]:
    """The file and the line, None for all of it. A name may end like a line: it is tried as a whole first."""
    with_line = _WITH_LINE.fullmatch(words)
    if with_line is None:
        return find_file(repo, tip, _from_top(at, top, words)), None
    try:
        return find_file(repo, tip, _from_top(at, top, words)), None
    except NoSuchLine:
        return find_file(repo, tip, _from_top(at, top, with_line[1])), int(with_line[2])


def _from_top(at: str, top: Path | None, name: str) -> str:
    """``name``, as seen from the folder ``at``, from the top of the checkout."""
    here = os.path.realpath(at) if top is not None else "/"
    if Path(name).is_absolute() and top is not None:
        here, name = os.path.realpath(Path(name).parent), Path(name).name
    path = os.path.relpath(os.path.join(here, name), top or "/")  # noqa: PTH118 - keeps what `..` means
    if path == ".." or path.startswith("../"):
        raise NoSuchLine(f"it is not in {top}; name a file of the repository")
    return path
