"""Repositories as they are: the whole job in each kind, and a clear error where it cannot be done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from trio.testing import MockClock

from scriptorium.code.repository import base_branch, discover, open_repository
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec
from scriptorium.testing import FunctionAgents, FunctionChecks, make_world, run_world
from tests.actors.stage import SPEC, Cast, drafts, is_good

from .places import AGENTS, good
from .repository_kinds import (
    KINDS,
    Kind,
    awkward_path,
    bare,
    clone,
    git,
    git_file,
    linked_worktree,
    plain,
)
from .service import COMMAND, clean_environment
from .waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


def refs(kind: Kind) -> set[str]:
    return set(git(kind.at, "for-each-ref", "--format=%(refname) %(objectname)").splitlines())


def assert_the_users_side(kind: Kind, staged: dict[Path, str]) -> None:
    """What was checked out moved along, and what was not committed is as it was."""
    for checkout in kind.checkouts:
        assert (checkout / "parts" / "two.txt").read_text() == "good two\n"
        assert kind.git_in(checkout, "diff", "--cached") == staged[checkout]
        unclean = {line[3:] for line in kind.git_in(checkout, "status", "--porcelain").splitlines()}
        assert unclean == set(kind.dirty)
    assert {path: (kind.at / path).read_text() for path in kind.dirty} == kind.dirty


@pytest.mark.req("V1-35")
@pytest.mark.parametrize("name", KINDS)
async def test_the_whole_job_is_done_in_it(name: str, tmp_path: Path, autojump_clock: MockClock) -> None:
    kind = KINDS[name](tmp_path / "place")
    before = refs(kind)
    staged = {checkout: kind.git_in(checkout, "diff", "--cached") for checkout in kind.checkouts}
    project = discover(kind.at)
    initialize(project.git_dir)
    plan = PlanRepository(project.git_dir)
    plan.commit(UpdateSpec(SPEC))
    cast = Cast(areas={"core": "The core.\n"}, drafts={"core": drafts("one", "two")})
    report = await run_world(make_world(project, FunctionAgents(cast.work), FunctionChecks(is_good)))

    assert report.leftovers == ()
    assert [str(file.state) for file in plan.read().tickets.values()] == ["done", "done"]
    assert base_branch(open_repository(project), None) == "main"
    for slug in ("one", "two"):
        assert git(kind.at, "show", f"main:parts/{slug}.txt") == f"good {slug}\n"
    assert_the_users_side(kind, staged)
    assert {line.split()[0] for line in before - refs(kind)} == {"refs/heads/main"}
    assert git(kind.at, "fsck", "--full", "--strict", "--no-dangling", "--no-progress") == ""
    assert "worktrees/tickets/" not in git(kind.at, "worktree", "list")


# ---- whole processes


GIT_VARIABLES = {
    "GIT_DIR": "/nonexistent",
    "GIT_WORK_TREE": "/nonexistent",
    "GIT_INDEX_FILE": "/nonexistent/index",
    "GIT_OBJECT_DIRECTORY": "/nonexistent",
    "GIT_COMMON_DIR": "/nonexistent",
    "GIT_NAMESPACE": "other",
    "GIT_CEILING_DIRECTORIES": "/",
}
"""As a git hook has them that starts scriptorium, but leading nowhere."""


def scriptorium(at: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        [COMMAND, *words],
        cwd=at,
        env={**clean_environment(), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def prepare(kind: Kind, aside: Path) -> None:
    """Scripted agents for one ticket, which the manager writes."""
    work = good("one")
    aside.mkdir()
    script = {
        "areas": {"core": "The core.\n"},
        "tickets": {"core": {work.slug: work.draft}},
        "acts": {work.slug: work.acts},
    }
    (aside / "script.json").write_text(json.dumps(script))
    agent = {
        "harness": "command",
        "command": [sys.executable, str(AGENTS / "scripted.py"), str(aside / "script.json")],
    }
    config = {"agents": dict.fromkeys(("architect", "manager", "coding"), agent)}
    (discover(kind.at).root / "scriptorium.json").write_text(json.dumps(config))


@pytest.mark.req("V1-00a", "V1-35")
@pytest.mark.parametrize(
    ("make", "variables"),
    [(bare, {}), (linked_worktree, {}), (git_file, {}), (awkward_path, {}), (plain, GIT_VARIABLES)],
)
def test_the_commands_do_the_whole_job_in_it(
    make: Callable[[Path], Kind], variables: dict[str, str], tmp_path: Path
) -> None:
    kind = make(tmp_path / "place")
    prepare(kind, tmp_path / "aside")
    assert scriptorium(kind.at, "--init", **variables).returncode == 0
    spec = tmp_path / "spec.md"
    spec.write_text(SPEC)
    assert scriptorium(kind.at, "plan", "--from", str(spec), **variables).returncode == 0
    done = scriptorium(kind.at, "run", "--port", "0", "--until-idle", **variables)
    assert done.returncode == 0, done.stderr
    assert git(kind.at, "show", "main:parts/one.txt") == "good one\n"
    status = json.loads(scriptorium(kind.at, "status", "--json", **variables).stdout)
    assert status["tickets"] == {"open": 0, "in-progress": 0, "done": 1, "stuck": 0}
    assert status["base"]["branch"] == "main"
    assert git(kind.at, "fsck", "--full", "--strict", "--no-dangling", "--no-progress") == ""
    for checkout in kind.checkouts:
        assert (checkout / "parts" / "one.txt").exists()


# ---- what cannot be


def _sha256(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "--object-format=sha256")
    return folder


def _reftable(folder: Path) -> Path:
    kind = plain(folder)
    git(kind.at, "config", "core.repositoryformatversion", "1")
    git(kind.at, "config", "extensions.refStorage", "reftable")
    return kind.at


def _of_another_user(folder: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root can give a repository to another user")
    kind = plain(folder)
    for path in (kind.at, *kind.at.rglob("*")):
        os.lchown(path, 65534, 65534)
    return kind.at


def _config_that_is_none(folder: Path) -> Path:
    kind = plain(folder)
    (kind.at / ".git" / "config").write_text("[core\n")
    return kind.at


@pytest.mark.req("V1-00b")
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (_sha256, "SHA-256 repositories are not supported; use one with SHA-1 objects"),
        (_reftable, "change it with: git refs migrate --ref-format=files"),
        (_of_another_user, "git config --global --add safe.directory /"),
        (_config_that_is_none, "cannot be opened: "),
    ],
)
def test_what_cannot_be_worked_with_is_said(
    make: Callable[[Path], Path], expected: str, tmp_path: Path
) -> None:
    at = make(tmp_path / "place")
    for words in (("--init",), ("run",)):
        done = scriptorium(at, *words)
        assert (done.returncode, done.stdout) == (1, ""), words
        (line,) = done.stderr.splitlines()
        assert expected in line
        assert "bug" not in line


def test_a_repository_of_another_user_that_is_trusted_as_it_is_said(tmp_path: Path) -> None:
    at = _of_another_user(tmp_path / "place")
    told = scriptorium(at, "status").stderr.strip().partition("trust it with: ")[2]
    assert told.count("safe.directory") == 2
    home = {"HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": str(tmp_path / ".gitconfig")}
    subprocess.run(["sh", "-c", told], env={**clean_environment(), **home}, check=True)
    for words in (("--init",), ("plan", "--from", "-"), ("status",), ("worktrees",)):
        done = subprocess.run(
            [COMMAND, *words],
            cwd=at, env={**clean_environment(), **home}, input=SPEC, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_no_commit_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    assert scriptorium(tmp_path, "--init").returncode == 0
    assert scriptorium(tmp_path, "status").returncode == 0
    done = scriptorium(tmp_path, "run", "--port", "0")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "branch main has no commit yet" in line
    assert "git add --all && git commit" in line


def test_a_partial_clone_that_lacks_files_of_the_base(tmp_path: Path) -> None:
    kind = clone("--filter=blob:none", "--no-checkout")(tmp_path / "place")
    assert scriptorium(kind.at, "--init").returncode == 0
    done = scriptorium(kind.at, "run", "--port", "0")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "a partial clone without Makefile, README.md, parts/base.txt of branch main" in line
    git(kind.at, "checkout", "-q", "main")
    assert "partial clone" not in scriptorium(kind.at, "run", "--port", "0", "--until-idle").stderr


def test_a_repository_that_cannot_be_written(tmp_path: Path) -> None:
    kind = plain(tmp_path / "place")
    assert scriptorium(kind.at, "--init").returncode == 0
    before = refs(kind)
    words = ("status", "worktrees", "run --port 0", "plan --from spec.md", "--init")
    (kind.at / "spec.md").write_text(SPEC)
    lines = "; ".join(f'"{COMMAND}" {command}; echo "$?"' for command in words)
    mount = f'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd "$1" && {{ {lines}; }}'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", str(kind.at)],
        env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"a file system cannot be mounted read-only here: {done.stderr.strip()}")
    codes = [line for line in done.stdout.splitlines() if line.isdigit()]
    assert codes == ["0", "0", "1", "1", "1"], done.stdout + done.stderr
    assert all("Read-only file system" in line for line in done.stderr.splitlines()[:2]), done.stderr
    assert "bug" not in done.stderr
    assert refs(kind) == before


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("update-index", "--split-index"), ("update-index", "--no-split-index")),
        (
            ("sparse-checkout", "set", "--cone", "--sparse-index", "docs"),
            ("sparse-checkout", "disable"),
        ),
    ],
)
async def test_an_index_that_libgit2_cannot_read_blocks_and_the_way_out_is_said(
    words: tuple[str, ...], way_out: tuple[str, ...], tmp_path: Path, autojump_clock: MockClock
) -> None:
    kind = plain(tmp_path / "place")
    git(kind.at, *words)
    project = discover(kind.at)
    initialize(project.git_dir)
    PlanRepository(project.git_dir).commit(UpdateSpec(SPEC))
    cast = Cast(areas={"core": "The core.\n"}, drafts={"core": drafts("one")})
    blocked = await run_world(make_world(project, FunctionAgents(cast.work), FunctionChecks(is_good)))
    assert "landing blocked by .git/index" in blocked.leftovers[0]
    assert "git update-index --no-split-index" in blocked.leftovers[0]
    git(kind.at, *way_out)
    report = await run_world(make_world(project, FunctionAgents(cast.work), FunctionChecks(is_good)))
    assert report.leftovers == ()
    assert git(kind.at, "status", "--porcelain") == ""
