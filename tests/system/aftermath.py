"""What must hold of a repository after a kill or a fault, and what may be left lying about."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pygit2

from scriptorium.plan.audit import Severity, audit_history
from scriptorium.plan.ids import Oid
from scriptorium.plan.packing import roll_up
from scriptorium.plan.reading import PlanReader
from scriptorium.plan.refs import PLAN_REF, read_ref

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C",
}


@contextlib.contextmanager
def noting(*words: object) -> Iterator[None]:
    """Add to whatever is raised in the block what these words say by then."""
    try:
        yield
    except BaseException as error:
        error.add_note(" ".join(map(str, words)))
        raise


def plan_tip(git_dir: Path) -> Oid | None:
    """Where the plan branch is, for one who has just come."""
    return read_ref(pygit2.Repository(str(git_dir)), PLAN_REF)


def left_over(folder: Path) -> list[str]:
    """The locks in `folder`, and the files on their way."""
    marks = (".lock", ".scriptorium-new")
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name.endswith(marks) or path.name.startswith("tmp_")
    )


def audit_errors(git_dir: Path) -> frozenset[str]:
    """What an audit of the plan finds wrong."""
    return frozenset(str(found) for found in audit_history(git_dir) if found.severity is Severity.ERROR)


def assert_plan_is_sound(git_dir: Path, known: frozenset[str] = frozenset()) -> None:
    """The plan can be read, its invariants hold but for what was `known`, and so do git's."""
    assert PlanReader(git_dir).read().problems == ()
    assert audit_errors(git_dir) <= known
    assert_fsck_is_clean(git_dir)


def assert_fsck_is_clean(git_dir: Path) -> None:
    """`git fsck --strict` finds nothing."""
    argv = ["git", "--git-dir", str(git_dir), "fsck", "--strict", "--no-dangling", "--no-progress"]
    done = subprocess.run(argv, env=_ENVIRONMENT, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if not line.startswith("notice: ")]
    assert (done.returncode, said) == (0, []), done.stdout + done.stderr


def assert_packs_are_tidy(git_dir: Path) -> None:
    """What a kill left of a pack is gone once it is old: nothing but whole packs is there then."""
    packs = git_dir / "objects" / "pack"
    for path in packs.iterdir():
        os.utime(path, (0, 0))
    roll_up(git_dir, packs=0)
    names = {path.name for path in packs.iterdir()}
    # Of git's own, which may be there after a `git gc`.
    names = {name for name in names if not name.endswith((".rev", ".bitmap"))}
    stems = {Path(name).stem for name in names}
    assert names == {stem + suffix for stem in stems for suffix in (".idx", ".pack")}
