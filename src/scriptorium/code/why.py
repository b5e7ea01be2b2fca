"""Why a line is there: from the commit that brought it to its ticket, area, spec, agent and evidence.

What the plan branch says counts. A landed commit's own receipt is only believed where the plan confirms it:
anybody can write a commit message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import pygit2
from attrs import frozen

from scriptorium.code.evidence import Verdict, VerdictStore
from scriptorium.code.receipt import Receipt, receipt_of
from scriptorium.code.repository import Project
from scriptorium.plan.closest import Paragraph, closest
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.landed import Completion, completions, creation
from scriptorium.plan.notes import RunNote
from scriptorium.plan.objects import GitObjects, ObjectMissing, TooLarge
from scriptorium.plan.reader import MAX_TEXT_BYTES, SnapshotReader
from scriptorium.plan.snapshot import Numbers, Snapshot, TicketFile
from scriptorium.plan.ticket import Ticket, TicketUnreadable

SUBMITTED = "submitted"
"""The outcome that a run's note gives when the agent handed in its work."""


@frozen
class Origin:
    """A commit of the base's first-parent line. `date` is RFC 3339 in UTC.

    `completion` is where the plan says that a ticket landed with it. A `receipt` without one is a claim.
    """

    commit: Oid
    tree: Oid
    subject: str
    author: str
    date: str
    receipt: Receipt | None
    completion: Completion | None


@frozen
class Background:
    """What the plan knows of a ticket that landed; None for what it does not (any more).

    `file` is where the ticket is, `ticket` what it says. `spec` is the paragraph nearest to what the ticket
    was made from. `run` is the one that handed the work in, or else the last one.
    """

    file: TicketFile | None
    ticket: Ticket | None
    spec: Paragraph | None
    run: RunNote | None
    verdict: Verdict | None


def origins(
    project: Project, repo: pygit2.Repository, commits: Collection[Oid], plan: Snapshot | None
) -> Mapping[Oid, Origin]:
    """Each of these commits of the base, with what landed with it. `plan` is the plan as it is now.

    Raises `KeyError`, `ValueError` or `pygit2.GitError` when the history cannot be read.
    """
    found = {oid: repo[oid].peel(pygit2.Commit) for oid in commits}
    since = min((commit.commit_time for commit in found.values()), default=0)
    done = {} if plan is None else completions(project.git_dir, plan.commit, found.keys(), since)
    return {oid: _origin(oid, commit, done.get(oid)) for oid, commit in found.items()}


def _origin(oid: Oid, commit: pygit2.Commit, completion: Completion | None) -> Origin:
    message = commit.raw_message.decode("utf-8", "replace")
    return Origin(
        commit=oid,
        tree=Oid(str(commit.tree_id)),
        subject=message.strip().partition("\n")[0],
        author=f"{commit.author.name} <{commit.author.email}>",
        date=_rfc3339(commit.commit_time),
        receipt=receipt_of(commit),
        completion=completion,
    )


def _rfc3339(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00Z"  # a hand-made commit can be of any time


def ticket_of(plan: Snapshot, ticket: TicketId) -> tuple[TicketFile | None, Ticket | None]:
    """Where a ticket is in this plan, and what it says; None for what is not there or not readable."""
    file = plan.find(ticket)
    try:
        return file, None if file is None else file.ticket
    except TicketUnreadable:
        return file, None


def background(
    project: Project, plan: Snapshot, origin: Origin, completion: Completion, verdicts: VerdictStore
) -> Background:
    """What is known of the ticket that landed with `origin`. Raises as `origins`, and `ObjectMissing`."""
    file, ticket = ticket_of(plan, completion.ticket)
    if ticket is None:  # a person may have removed it since
        ticket = ticket_of(_plan_at(project, completion.commit), completion.ticket)[1]
    runs = () if ticket is None else ticket.runs
    handed_in = [run for run in runs if run.outcome == SUBMITTED]
    return Background(
        file=file,
        ticket=ticket,
        spec=None if ticket is None else _spec(project, plan, completion, ticket),
        run=next(reversed(handed_in or runs), None),
        verdict=_verdict(origin, verdicts),
    )


def _spec(project: Project, plan: Snapshot, completion: Completion, ticket: Ticket) -> Paragraph | None:
    """The nearest paragraph of the spec from which the ticket's area was written when the ticket was."""
    created = creation(project.git_dir, completion.commit, completion.ticket)
    then = plan if created is None else _plan_at(project, created)
    area = then.areas.get(ticket.area)
    if area is None:
        return None
    text = _text(project, then.areas_from.oid) if then.areas_from is not None else None
    if text is None:
        text = "" if then.spec is None else then.spec.text
    return closest(text, area.text, f"{ticket.title}\n{ticket.goal}")


def _text(project: Project, blob: Oid) -> str | None:
    try:
        return GitObjects(project.git_dir).blob(blob, MAX_TEXT_BYTES).decode()
    except (ObjectMissing, TooLarge, UnicodeDecodeError):
        return None


def _plan_at(project: Project, commit: Oid) -> Snapshot:
    objects = GitObjects(project.git_dir)
    return SnapshotReader(objects).read(commit, objects.commit(commit).tree, Numbers)


def _verdict(origin: Origin, verdicts: VerdictStore) -> Verdict | None:
    """The evidence that the receipt names, if it is kept still, and is about this very tree."""
    if origin.receipt is None or origin.receipt.evidence is None:
        return None
    verdict = verdicts.find(origin.receipt.evidence)
    return verdict if verdict is not None and verdict.tree == origin.tree else None
