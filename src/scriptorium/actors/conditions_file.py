"""The file in which a running service tells `status` what halts it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

CONDITIONS_NAME: Final = "condition.json"


def write_conditions(
    state_dir: Path, lines: Sequence[str], remote: Mapping[str, object] | None = None
) -> None:
    """Replace the file in one step, a few hundred bytes; `status` reads it only while the service lives.

    `remote` is what `status --json` says of the remote, None where there is none.
    """
    draft = state_dir / f".{CONDITIONS_NAME}.new"
    draft.write_text(
        json.dumps({"lines": list(lines)} | ({} if remote is None else {"remote": remote})), encoding="utf-8"
    )
    draft.replace(state_dir / CONDITIONS_NAME)
