"""Names of log files: one folder for each ticket or planner, one number for each attempt, never reused."""

from __future__ import annotations

import re
from pathlib import Path

_ATTEMPT = re.compile(r"(\d+)\.jsonl")
_TICKET = re.compile(r"\d{4,}")


def last_attempt(logs_dir: Path, name: str) -> int:
    """The highest attempt number that has a log, 0 for none."""
    folder = logs_dir / name
    if not folder.is_dir():
        return 0
    numbers = (_ATTEMPT.fullmatch(path.name) for path in folder.iterdir())
    return max((int(match[1]) for match in numbers if match), default=0)


def next_log(logs_dir: Path, name: str, floor: int = 0) -> tuple[int, Path]:
    """The number and the log file of the next attempt, above `floor` and above every log that is there.

    The folder is made. The file is not: whoever starts the process creates it, exclusively.
    """
    folder = logs_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    number = max(last_attempt(logs_dir, name), floor) + 1
    return number, folder / f"{number}.jsonl"


def highest_logged_ticket(logs_dir: Path) -> int:
    """The highest ticket id that has logs, 0 for none: ids are never used twice, whatever was deleted."""
    if not logs_dir.is_dir():
        return 0
    return max((int(path.name) for path in logs_dir.iterdir() if _TICKET.fullmatch(path.name)), default=0)
