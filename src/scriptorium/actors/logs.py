"""Names of log files: one folder for each ticket or planner, one number for each attempt, never reused.

`0001/2.jsonl` is what the agent of ticket 0001 printed in attempt 2, `0001/check-1.log` what a check printed.
"""

from __future__ import annotations

import re
from pathlib import Path

# Agents can write here: a number of any length would be one that no ticket can have, or keep.
_ATTEMPT = re.compile(r"([0-9]{1,8})\.jsonl")
_CHECK = re.compile(r"check-([0-9]{1,8})\.log")
_TICKET = re.compile(r"[0-9]{4,8}")


def next_log(logs_dir: Path, name: str, floor: int = 0) -> tuple[int, Path]:
    """The number and the log file of the next attempt, above `floor` and above every log that is there.

    The folder is made. The file is not: whoever starts the process creates it, exclusively.
    """
    folder = logs_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    number = max(_highest(folder, _ATTEMPT), floor) + 1
    return number, folder / f"{number}.jsonl"


def next_check_log(logs_dir: Path, name: str) -> int:
    """The number of the next run of a check, above every log of one that is there. The folder is made."""
    folder = logs_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    return _highest(folder, _CHECK) + 1


def check_log(logs_dir: Path, name: str, number: int) -> Path:
    """The log file of a run of a check."""
    return logs_dir / name / f"check-{number}.log"


def _highest(folder: Path, pattern: re.Pattern[str]) -> int:
    matches = (pattern.fullmatch(path.name) for path in folder.iterdir())
    return max((int(match[1]) for match in matches if match), default=0)


def highest_logged_ticket(logs_dir: Path) -> int:
    """The highest ticket id that has logs, 0 for none: ids are never used twice, whatever was deleted."""
    if not logs_dir.is_dir():
        return 0
    return max((int(path.name) for path in logs_dir.iterdir() if _TICKET.fullmatch(path.name)), default=0)
