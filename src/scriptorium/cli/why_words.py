"""What ``why`` says: a few lines for people, a document for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from scriptorium.code.blame import BaseFile
from scriptorium.code.evidence import Verdict
from scriptorium.code.why import Background, Origin
from scriptorium.code.working_file import InCheckout
from scriptorium.plan.closest import Paragraph
from scriptorium.plan.notes import RunNote

SHOWN = 20
"""Of the commits that brought a file's lines."""
SHOWN_CHARACTERS = 160
"""Of a paragraph or a line: two rows of a narrow terminal."""
LISTED_CHARACTERS = 48
"""Of a title in a list, whose rows are then one row of a narrow terminal."""
SHORT = 12
"""Digits of a commit's id that are shown."""


@frozen
class Brought:
    """A commit that brought ``lines`` lines of the file; ``title`` is of the ticket that landed with it."""

    origin: Origin
    lines: int
    title: str | None


@frozen
class Answer:
    """What was found. ``line`` is None when it was asked for the whole file; ``brought`` is then its lines.

    ``in_checkout`` is None where there is no checkout, or the file is too large to compare. ``background`` is
    there when the plan says that a ticket landed with ``origin``.
    """

    file: BaseFile
    line: int | None
    branch: str
    in_checkout: InCheckout | None
    has_plan: bool
    origin: Origin
    background: Background | None
    brought: Sequence[Brought]
    unlisted: int


# ---- for people


def lines(answer: Answer) -> Iterator[str]:
    """The text, a fact to a line."""
    at = "" if answer.line is None else f":{answer.line}"
    yield f"{answer.file.path}{at} on {answer.branch} ({answer.file.tip[:SHORT]})"
    if answer.line is not None:
        text = answer.file.line(answer.line).expandtabs(4).strip()
        yield from [f"  {_cut(text)}"] if text else []
    if answer.in_checkout is InCheckout.DIFFERENT:
        yield f"Your file differs from this; lines are counted as on {answer.branch}."
    elif answer.in_checkout is InCheckout.MISSING:
        yield "There is no such file in your checkout."
    if answer.line is None:
        yield "Last change:"
    yield from _landing(answer)
    if answer.brought:
        yield "Lines:"
        yield from (f"  {_line_of(brought)}" for brought in answer.brought[:SHOWN])
        left = len(answer.brought) - SHOWN + answer.unlisted
        if left > 0:
            yield f"  and {left} older"


def _landing(answer: Answer) -> Iterator[str]:
    origin = answer.origin
    if answer.background is None:
        yield from _not_confirmed(answer)
    else:
        yield from _known(answer.background, origin)
    yield f"Commit:   {origin.commit[:SHORT]}, {_when(origin.date)}"


def _not_confirmed(answer: Answer) -> Iterator[str]:
    origin, receipt = answer.origin, answer.origin.receipt
    if receipt is None:
        yield "Not landed by scriptorium."
        yield f"Subject:  {_cut(origin.subject)}"
        yield f"Author:   {_cut(origin.author)}"
        return
    area = f", area {receipt.area}" if receipt.area else ""
    yield f"Ticket:   {receipt.ticket}{area}, says the commit: {_cut(origin.subject)}"
    why = "does not say that it landed" if answer.has_plan else "is not here"
    yield f"          (the plan branch scriptorium/plan {why})"


def _known(known: Background, origin: Origin) -> Iterator[str]:
    ticket, completion = known.ticket, origin.completion
    number = "" if completion is None else completion.ticket
    if ticket is None:
        yield f"Ticket:   {number}, which cannot be read any more"
    else:
        state = known.file.state if known.file is not None else "removed from the plan since"
        yield f"Ticket:   {number} {_cut(ticket.title)} ({state})"
        yield f"Area:     {ticket.area}"
    if known.spec is not None:
        yield f"Spec:     {_cut(known.spec.heading) or 'its beginning'} (the closest paragraph)"
        yield f"          {_cut(known.spec.text)}"
    if known.run is not None:
        yield from _agent(known.run)
    yield from _evidence(known.verdict, origin)


def _agent(run: RunNote) -> Iterator[str]:
    model = f", {run.model}" if run.model else ""
    yield f"Agent:    {run.harness}{model}, attempt {run.attempt}, {run.outcome}, {_when(run.started)}"
    if run.log:
        yield f"Log:      {run.log}"


def _evidence(verdict: Verdict | None, origin: Origin) -> Iterator[str]:
    name = None if origin.receipt is None else origin.receipt.evidence
    if name is None:
        yield "Evidence: the commit names none"
    elif verdict is None:
        yield f"Evidence: {name}, not kept any more"
    elif verdict.no_checks:
        yield f"Evidence: {name}, there were no checks to run"
    else:
        flaky = " at the second run" if verdict.flaky else ""
        took = f"in {verdict.duration_seconds:.1f} s, {_when(verdict.finished)}"
        yield f"Evidence: {name}, {verdict.result.value}{flaky} {took}"
        yield from (f"Check:    {_cut(check)}" for check in verdict.checks)
        if verdict.log:
            yield f"          {verdict.log}"


def _line_of(brought: Brought) -> str:
    origin = brought.origin
    what = _cut(brought.title or origin.subject, LISTED_CHARACTERS)
    ticket = f"{origin.completion.ticket} " if origin.completion is not None else ""
    return f"{brought.lines:5} {origin.commit[:SHORT]} {origin.date[:10]} {ticket}{what}"


def _when(date: str) -> str:
    """RFC 3339 in UTC, to the minute."""
    return f"{date[:16].replace('T', ' ')} UTC" if date else "at no known time"


def _cut(text: str, most: int = SHOWN_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


# ---- for programs


def document(answer: Answer) -> dict[str, object]:
    """The JSON document: the same keys always, null where nothing is known."""
    return {
        "path": answer.file.path,
        "line": answer.line,
        "text": None if answer.line is None else answer.file.line(answer.line),
        "base": {"branch": answer.branch, "oid": answer.file.tip},
        "checkout": answer.in_checkout,
        **_origin(answer.origin),
        **_background(answer.background),
        "evidence": _evidence_document(answer),
        "lines": [
            {"count": brought.lines, "title": brought.title, **_origin(brought.origin)}
            for brought in answer.brought
        ],
        "linesComplete": not answer.unlisted,
    }


def _origin(origin: Origin) -> dict[str, object]:
    claimed = origin.receipt
    landed = None if origin.completion is None else origin.completion.ticket
    return {
        "commit": {
            "oid": origin.commit,
            "subject": origin.subject,
            "author": origin.author,
            "date": origin.date,
        },
        "landed": landed is not None,
        "ticketId": landed or (claimed.ticket if claimed is not None else None),
    }


def _background(known: Background | None) -> dict[str, object]:
    ticket = known.ticket if known is not None else None
    file = known.file if known is not None else None
    return {
        "ticket": ticket
        and {
            "title": ticket.title,
            "state": file and str(file.state),
            "priority": str(ticket.priority),
            "path": file and file.path,
        },
        "area": ticket and ticket.area,
        "spec": _spec(known.spec if known is not None else None),
        "agent": _run(known.run if known is not None else None),
    }


def _spec(found: Paragraph | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {"heading": found.heading, "text": found.text, "line": found.line, "match": "closest"}


def _run(run: RunNote | None) -> dict[str, object] | None:
    if run is None:
        return None
    return {
        "harness": run.harness,
        "model": run.model,
        "attempt": run.attempt,
        "outcome": run.outcome,
        "started": run.started,
        "seconds": run.duration_seconds,
        "tokensIn": run.tokens_in,
        "tokensOut": run.tokens_out,
        "costUsd": run.cost_usd,
        "log": run.log or None,
    }


def _evidence_document(answer: Answer) -> dict[str, object] | None:
    receipt, known = answer.origin.receipt, answer.background
    if receipt is None or receipt.evidence is None:
        return None
    verdict = None if known is None else known.verdict
    found: dict[str, object] = {"id": receipt.evidence, "kept": verdict is not None}
    return found | {
        "result": verdict and verdict.result.value,
        "noChecks": verdict and verdict.no_checks,
        "flaky": verdict and verdict.flaky,
        "checks": verdict and list(verdict.checks),
        "seconds": verdict and verdict.duration_seconds,
        "finished": verdict and verdict.finished,
        "log": (verdict and verdict.log) or None,
    }
