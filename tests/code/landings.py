"""What the tests of landing share: a ticket's evidence and landing commit, and a look at everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from scriptorium.code.evidence import Evidence, Result, Verdict, checks_key, evidence_for
from scriptorium.code.landing import LandingOutcome, land, make_landing_commit
from scriptorium.code.merge import Merged, merge
from scriptorium.plan.ids import Oid, TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Content, Fixture

Git = Callable[..., str]
TICKET = TicketId("0001")
CHANGES: Mapping[str, Content] = {
    "README.md": "# Changed\n",
    "src/app.py": None,
    "src/new/file.py": "new\n",
    "tools/run.sh": "not executable\n",
    "src/lib/words.txt": ("exec", "#!/bin/sh\n"),
    "latest": ("link", "src/new/file.py"),
}


def prove(fixture: Fixture, submission: Oid) -> Evidence:
    merged = merge(fixture.project, fixture.tip(), submission)
    assert isinstance(merged, Merged)
    return evidence_for(merged, Verdict(merged.tree, checks_key([]), Result.GREEN))


def submit(fixture: Fixture, files: Mapping[str, Content]) -> tuple[Evidence, Oid]:
    """Evidence and landing commit of a ticket that makes these changes on the base's tip."""
    evidence = prove(fixture, fixture.commit(files, parents=[fixture.tip()], message="ticket"))
    return evidence, make_landing_commit(fixture.project, evidence, "Land ticket 0001\n")


def try_landing(
    fixture: Fixture, evidence: Evidence, commit: Oid, step: Callable[[str], None] = lambda _name: None
) -> LandingOutcome:
    return land(fixture.project, fixture.branch, TICKET, evidence, commit, step=step)


def state(fixture: Fixture, run_git: Git, folder: Path | None = None) -> tuple[object, ...]:
    """Everything that a landing that is blocked must not have changed."""
    where = folder or fixture.root
    files = {
        str(path): path.read_bytes()
        for path in where.rglob("*")
        if path.is_file() and ".git" not in path.parts and ".scriptorium" not in path.parts
    }
    return (
        files,
        run_git(where, "for-each-ref"),
        run_git(where, "status", "--porcelain"),
        run_git(where, "diff", "--cached"),
        sorted(fixture.project.git_dir.iterdir()),
    )
