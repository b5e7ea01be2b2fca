"""``init [PATH]``: makes the plan branch, and touches nothing else in the repository."""

from __future__ import annotations

import sys
from pathlib import Path

from scriptorium.cli.failure import Failure, printable
from scriptorium.cli.place import find_project
from scriptorium.plan.init import PlanExists, initialize
from scriptorium.plan.refs import PLAN_REF, RefError, enable_fsync


def init(at: str, path: str) -> int:
    """Make the plan branch in the repository at ``path`` (relative to ``at``)."""
    enable_fsync()
    project = find_project(str(Path(at, path)))
    branch = PLAN_REF.removeprefix("refs/heads/")
    try:
        commit = initialize(project.git_dir)
    except PlanExists as error:
        raise Failure(
            f"{project.root}: the plan branch {branch} exists already; nothing was changed. "
            "See what is on it with: scriptorium status"
        ) from error
    except RefError as error:
        raise Failure(str(error)) from error
    sys.stdout.write(
        f"Made the plan branch {branch} at {commit[:12]} in {printable(str(project.root))}\n"
        'Next: scriptorium plan "what to build", or scriptorium plan --from FILE; then: scriptorium run\n'
    )
    return 0
