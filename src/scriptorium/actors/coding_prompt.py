"""What a coding agent is told: the ticket, its area, how to submit, and what went wrong before."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from scriptorium.code.worktrees import Prepared
from scriptorium.config import Config
from scriptorium.plan.area import Area
from scriptorium.plan.notes import Note, ReopenNote, RunNote, UnparkNote
from scriptorium.plan.snapshot import TicketFile
from scriptorium.plan.ticket import Ticket
from scriptorium.prompts import Prompts, fenced, listed_fenced

OUTPUT_SHOWN_CHARACTERS = 6_000
CONFLICTS_SHOWN_CHARACTERS = 16_000
DETAIL_SHOWN_CHARACTERS = 2_000
TITLE_SHOWN_CHARACTERS = 200
PATH_SHOWN_CHARACTERS = 500
FILES_SHOWN = 200
EVENTS_SHOWN = 20

_CONFLICTS = (
    "What was in conflict then, file by file (more may have landed since; `git show COMMIT` shows the whole "
    "of a change):"
)

_CUT_SHORT = "- Your last run was cut short by the provider of its model, which counts against nobody:"

GUIDES = ("AGENTS.md", "CLAUDE.md")
"""Where a project says how agents are to work on it."""


def coding_prompt(
    prompts: Prompts,
    file: TicketFile,
    area: Area | None,
    prepared: Prepared,
    *,
    guides: Sequence[str],
    config: Config,
    cut_short: str = "",
) -> str:
    """The whole prompt of an attempt. Deterministic: the same facts give the same text.

    `cut_short` is how the last run ended, if its provider ended it and there is no note of it.
    """
    return prompts.render(
        "coding",
        branch=prepared.branch,
        checks=_checks(config),
        guides=_guides(guides),
        history=_history(prompts, file.ticket, prepared, cut_short),
        ticket=f"{file.id} {file.ticket.title[:TITLE_SHOWN_CHARACTERS]}",
        text=fenced(_ticket(file.ticket)),
        area=fenced(area.text) if area is not None else "(none)",
    )


def guides_in(worktree: Path) -> tuple[str, ...]:
    """Which of the project's guides for agents are in a worktree; what they say is for the agent to read."""
    return tuple(name for name in GUIDES if _is_file_or_link(worktree / name))


def _is_file_or_link(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _guides(names: Sequence[str]) -> str:
    if not names:
        return ""
    listed = " and ".join(f"`{name}`" for name in names)
    return f"- The project has rules of its own for those who work on it: read {listed} and keep to them.\n"


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


def _history(prompts: Prompts, ticket: Ticket, prepared: Prepared, cut_short: str) -> str:
    events = _events(ticket)
    if cut_short:
        events.append(f"{_CUT_SHORT}\n\n{fenced(cut_short, DETAIL_SHOWN_CHARACTERS)}\n")
    if len(events) > EVENTS_SHOWN:
        events = [events[0], f"- ({len(events) - EVENTS_SHOWN} attempts)", *events[1 - EVENTS_SHOWN :]]
    text = prompts.render("continue", events="\n".join(events)) if events else ""
    if prepared.conflicts:
        files = listed_fenced(prepared.conflicts, most=FILES_SHOWN, characters=PATH_SHOWN_CHARACTERS)
        text += prompts.render("conflicts", files=files)
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
    parts = [f"- Your submission came back ({note.reason.value}):"]
    if note.detail:
        parts += ["", fenced(note.detail, DETAIL_SHOWN_CHARACTERS), ""]
    if note.conflicts:
        parts += [f"  {_CONFLICTS}", "", fenced(note.conflicts, CONFLICTS_SHOWN_CHARACTERS), ""]
    if note.log:
        parts.append(f"  The whole output is in {note.log}.")
    if note.output_tail:
        parts += ["", fenced(note.output_tail, OUTPUT_SHOWN_CHARACTERS, tail=True), ""]
    return "\n".join(parts)


def _run(note: RunNote) -> str:
    told = f"- Attempt {note.attempt} {note.outcome}"
    if note.timeout.value != "none":
        told += f" (time limit: {note.timeout.value})"
    detail = note.detail.strip()
    if note.counted and not detail:
        detail = "it never called submit_pr"
    told += "."
    if detail:
        told += f" Its last words, or why it ended:\n\n{fenced(detail, DETAIL_SHOWN_CHARACTERS)}\n"
    if not note.findings:
        return told
    found = fenced(note.findings, OUTPUT_SHOWN_CHARACTERS, tail=True)
    return f"{told}\n  What your worktree held then:\n\n{found}\n"
