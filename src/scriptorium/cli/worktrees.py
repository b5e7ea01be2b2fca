"""``worktrees``: what the disk and git say about worktrees, not what a ticket claims."""

from __future__ import annotations

import json
import sys

from scriptorium.cli.failure import printable
from scriptorium.cli.place import find_project
from scriptorium.code.worktrees import WorktreeRow, list_worktrees


def worktrees(at: str, *, as_json: bool) -> int:
    """Print a row per worktree: path, ticket, branch, and in the text what is wrong with it, if anything."""
    rows = list_worktrees(find_project(at))
    if as_json:
        listed = [{"path": str(row.path), "ticket": row.ticket, "branch": row.branch} for row in rows]
        sys.stdout.write(f"{json.dumps(listed, indent=2)}\n")
        return 0
    table = [_columns(row) for row in rows]
    widths = [max((len(columns[place]) for columns in table), default=0) for place in range(3)]
    for columns in table:
        padded = (f"{column:<{width}}" for column, width in zip(columns, widths, strict=False))
        sys.stdout.write(f"{'  '.join((*padded, *columns[3:])).rstrip()}\n")
    return 0


def _columns(row: WorktreeRow) -> list[str]:
    shown = [str(row.path), row.ticket or "-", row.branch or "-"]
    return [printable(column) for column in (*shown, *([f"({row.problem})"] if row.problem else []))]
