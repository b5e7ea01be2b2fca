"""``plan --from FILE``: commits a spec that is written already; no agent is asked."""

from __future__ import annotations

import sys
from pathlib import Path

from scriptorium.cli.committing import commit, open_plan
from scriptorium.cli.failure import Failure
from scriptorium.cli.place import find_project
from scriptorium.plan.transitions import UpdateSpec

# A book of 150,000 words; what is larger is not what anyone meant to give to an agent.
LIMIT_BYTES = 1024 * 1024


def plan_from(at: str, source: str) -> int:
    """Commit the text of ``source`` (``-``: standard input) as the spec; the same text changes nothing."""
    text = _read(source)
    project = find_project(at)
    plan, before = open_plan(project)
    after = commit(project, plan, UpdateSpec(text), "the spec was not committed").commit
    sys.stdout.write(
        "The spec is the same as before; nothing was committed.\n"
        if after == before.commit
        else f"Committed the spec to the plan branch ({after[:12]}). Next: scriptorium run\n"
    )
    return 0


def _read(source: str) -> str:
    name = "standard input" if source == "-" else source
    try:
        if source == "-":
            raw = sys.stdin.buffer.read(LIMIT_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                raw = file.read(LIMIT_BYTES + 1)
        text = raw.decode()
    except OSError as error:
        raise Failure(f"{name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{name}: is not UTF-8 (byte {error.start}); save the spec as UTF-8") from error
    if len(raw) > LIMIT_BYTES:
        raise Failure(f"{name}: is larger than {LIMIT_BYTES // 1024} KiB; a spec is a text for people")
    if not text.strip():
        raise Failure(f"{name}: is empty; write what is to be built")
    return text
