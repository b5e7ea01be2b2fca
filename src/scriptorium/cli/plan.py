"""``plan --from FILE``: commits a spec that is written already; no agent is asked."""

from __future__ import annotations

import sys
from pathlib import Path

from scriptorium.cli.failure import Failure
from scriptorium.cli.place import find_project, no_plan
from scriptorium.plan.edits import FolderBlocked
from scriptorium.plan.refs import RefError, enable_fsync
from scriptorium.plan.repository import InvariantBroken, PlanBusy, PlanMissing, PlanRepository
from scriptorium.plan.transitions import PreconditionFailed, UpdateSpec

# A book of 150,000 words; what is larger is not what anyone meant to give to an agent.
LIMIT_BYTES = 1024 * 1024


def plan_from(at: str, source: str) -> int:
    """Commit the text of ``source`` (``-``: standard input) as the spec; the same text changes nothing."""
    text = _read(source)
    enable_fsync()
    project = find_project(at)
    plan = PlanRepository(project.git_dir)
    before = plan.tip()
    if before is None:
        raise no_plan(project)
    try:
        after = plan.commit(UpdateSpec(text)).commit
    except PlanMissing as error:
        raise no_plan(project) from error
    except (PlanBusy, PreconditionFailed, InvariantBroken, FolderBlocked, RefError) as error:
        raise Failure(f"the spec was not committed: {error}") from error
    sys.stdout.write(
        "The spec is the same as before; nothing was committed.\n"
        if after == before
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
