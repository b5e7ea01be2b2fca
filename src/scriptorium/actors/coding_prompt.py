"""What a coding agent is told: the ticket, its area, how to submit, and what went wrong before."""

from __future__ import annotations

from scriptorium.code.worktrees import Prepared
from scriptorium.config import Config
from scriptorium.plan.area import Area
from scriptorium.plan.notes import Note, ReopenNote, RunNote, UnparkNote
from scriptorium.plan.snapshot import TicketFile
from scriptorium.plan.ticket import Ticket
from scriptorium.prompts import render

OUTPUT_SHOWN_CHARACTERS = 6_000
DETAIL_SHOWN_CHARACTERS = 2_000


def coding_prompt(file: TicketFile, area: Area | None, prepared: Prepared, config: Config) -> str:
    """The whole prompt of an attempt. Deterministic: the same facts give the same text."""
    return render(
        "coding",
        branch=prepared.branch,
        checks=_checks(config),
        history=_history(file.ticket, prepared),
        ticket=f"{file.id} {file.ticket.title}",
        text=_ticket(file.ticket),
        area=area.text if area is not None else "(none)",
    )


def _checks(config: Config) -> str:
    if config.checks is None:
        return "`make test`"
    commands = [check if isinstance(check, str) else " ".join(check) for check in config.checks]
    return ", ".join(f"`{command}`" for command in commands) or "nothing (there are no checks)"


def _ticket(ticket: Ticket) -> str:
    sections = (
        ("Goal", ticket.goal),
        ("Acceptance Criteria", ticket.acceptance),
        ("Notes", ticket.notes),
    )
    return (
        "\n\n".join(f"### {heading}\n\n{text.strip()}" for heading, text in sections if text.strip()) + "\n"
    )


def _history(ticket: Ticket, prepared: Prepared) -> str:
    events = _events(ticket)
    text = render("continue", events="\n".join(events)) if events else ""
    if prepared.conflicts:
        text += render("conflicts", files="\n".join(f"- {path}" for path in prepared.conflicts))
    return text


def _events(ticket: Ticket) -> list[str]:
    """The last time the work came back, and the attempts since."""
    last = max((place for place, note in enumerate(ticket.log) if isinstance(note, ReopenNote)), default=0)
    return [_event(note) for note in ticket.log[last:]]


def _event(note: Note) -> str:
    match note:
        case ReopenNote():
            return _reopened(note)
        case RunNote():
            return _run(note)
        case UnparkNote():
            return "- A person looked at it and wants it tried again."


def _reopened(note: ReopenNote) -> str:
    parts = [f"- Your submission came back ({note.reason.value}): {note.detail[:DETAIL_SHOWN_CHARACTERS]}"]
    if note.log:
        parts.append(f"  The whole output is in {note.log}.")
    if note.output_tail:
        parts += ["", _fenced(note.output_tail[-OUTPUT_SHOWN_CHARACTERS:]), ""]
    return "\n".join(parts)


def _run(note: RunNote) -> str:
    told = f"- Attempt {note.attempt} {note.outcome}"
    if note.timeout.value != "none":
        told += f" (time limit: {note.timeout.value})"
    detail = note.detail.strip()[:DETAIL_SHOWN_CHARACTERS]
    if note.counted and not detail:
        detail = "it never called submit_pr"
    told = f"{told}. {_quoted(detail)}" if detail else f"{told}."
    if not note.findings:
        return told
    return (
        f"{told}\n\n  What your worktree held then:\n\n{_fenced(note.findings[-OUTPUT_SHOWN_CHARACTERS:])}\n"
    )


def _quoted(text: str) -> str:
    return "Its last words, or why it ended:\n\n" + "\n".join(f"  > {line}" for line in text.splitlines())


def _fenced(text: str) -> str:
    fence = "`" * max(3, _longest_fence(text) + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _longest_fence(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
