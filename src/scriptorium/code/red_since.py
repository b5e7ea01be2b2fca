"""Since when the base branch has been red, kept in the state folder: a red that outlasts a restart, or
commits that did not mend it, began when it was first seen. Losing the file loses that time and nothing else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

RED_SINCE_NAME: Final = "base-red.json"
_LIMIT_BYTES: Final = 4096
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def red_since(state_dir: Path, branch: str) -> str | None:
    """When this branch was first seen red (RFC 3339 in UTC), if it has not been seen green since."""
    try:
        with (state_dir / RED_SINCE_NAME).open("rb") as file:
            facts = json.loads(file.read(_LIMIT_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(facts, dict) or facts.get("branch") != branch:
        return None
    since = facts.get("since")
    return since if isinstance(since, str) and _TIME.fullmatch(since) else None


def keep_red_since(state_dir: Path, branch: str, since: str) -> None:
    """Replace the file in one step. Raises `OSError`; what was there is then there still."""
    draft = state_dir / f".{RED_SINCE_NAME}.new"
    draft.write_text(json.dumps({"branch": branch, "since": since}), encoding="utf-8")
    draft.replace(state_dir / RED_SINCE_NAME)


def forget_red(state_dir: Path) -> None:
    """The branch is green. Raises `OSError` when the file stays."""
    (state_dir / RED_SINCE_NAME).unlink(missing_ok=True)
