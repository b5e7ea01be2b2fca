"""`initialize` makes one orphan commit with the layout, and touches nothing else."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pygit2
import pytest

from scriptorium.plan.audit import audit_history
from scriptorium.plan.ids import Oid
from scriptorium.plan.init import PlanExists, initialize
from scriptorium.plan.layout import KEPT_FOLDERS
from scriptorium.plan.reading import PlanReader
from scriptorium.plan.refs import PLAN_REF, RefError, RefLocked, read_ref
from scriptorium.plan.spec import PLACEHOLDER

from .plans import Plan

WHO = pygit2.Signature("A Person", "person@example.org", 1_700_000_000, 0)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.req("V1-00c")
def test_the_layout_and_a_placeholder_in_one_commit(plan: Plan) -> None:
    assert plan.length() == 1
    assert plan.git("log", "--format=%an <%ae> %cn <%ce>%n%P%n%B", PLAN_REF) == (
        "scriptorium <scriptorium@localhost> scriptorium <scriptorium@localhost>\n\n"
        "scriptorium: initialize plan branch"
    )
    keep = {f"{folder}/.gitkeep" for folder in KEPT_FOLDERS}
    assert set(plan.files()) == {"spec.md"} | keep
    assert {plan.text(path) for path in keep} == {""}
    assert plan.text("spec.md") == PLACEHOLDER.strip()
    snapshot = plan.snapshot
    assert snapshot.spec is not None
    assert snapshot.spec.is_placeholder
    assert (snapshot.problems, snapshot.areas, snapshot.tickets) == ((), {}, {})
    assert audit_history(plan.git_dir) == ()


@pytest.mark.req("V1-00c")
def test_nothing_else_in_the_repository_changes(tmp_path: Path) -> None:
    repo = pygit2.init_repository(str(tmp_path), initial_head="main")
    tree = repo.TreeBuilder()
    tree.insert("file", repo.create_blob(b"text"), pygit2.enums.FileMode.BLOB)
    repo.create_commit("HEAD", WHO, WHO, "work", tree.write(), [])
    repo.index.add_all()
    (tmp_path / "file").write_text("uncommitted")
    before = contents(tmp_path)
    tip = initialize(tmp_path / ".git")
    after = contents(tmp_path)
    new = {path for path in after if path not in before}
    assert {path: after[path] for path in before} == before
    assert {path for path in new if "objects" not in path} == {f".git/{PLAN_REF}", f".git/logs/{PLAN_REF}"}
    commit = repo[tip].peel(pygit2.Commit)
    assert commit.parents == []


@pytest.mark.parametrize("bare", [False, True])
def test_an_unborn_head_or_a_bare_repository_will_do(tmp_path: Path, bare: bool) -> None:
    repo = pygit2.init_repository(str(tmp_path), bare=bare)
    tip = initialize(Path(repo.path))
    assert PlanReader(Path(repo.path)).read().commit == tip
    assert repo.head_is_unborn


def test_a_plan_branch_that_is_there_is_not_touched(plan: Plan) -> None:
    plan.with_ticket()
    before = plan.repository.tip()
    with pytest.raises(PlanExists, match="scriptorium/plan already"):
        initialize(plan.git_dir)
    assert plan.repository.tip() == before


@pytest.mark.parametrize("name", ["refs/heads/scriptorium", f"{PLAN_REF}/mine"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_branch_in_the_way_is_named(tmp_path: Path, name: str, packed: bool) -> None:
    repo = pygit2.init_repository(str(tmp_path))
    work = repo.create_commit(None, WHO, WHO, "work", repo.TreeBuilder().write(), [])
    repo.references.create(name, work)
    if packed:
        repo.references.compress()
    with pytest.raises(RefError, match=name):
        initialize(Path(repo.path))
    assert list(repo.references) == [name]


def test_of_two_at_once_one_makes_it(tmp_path: Path) -> None:
    git_dir = Path(pygit2.init_repository(str(tmp_path)).path)
    start = threading.Barrier(2)
    made: list[Oid] = []
    refused: list[Exception] = []

    def make(second: float) -> None:
        start.wait()
        try:
            made.append(initialize(git_dir, now=lambda: second))
        except (PlanExists, RefLocked) as error:
            refused.append(error)

    threads = [threading.Thread(target=make, args=(second,)) for second in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 1)
    assert read_ref(pygit2.Repository(str(git_dir)), PLAN_REF) == made[0]


def test_git_finds_nothing_wrong(plan: Plan) -> None:
    argv = ["git", "-C", str(plan.root), "fsck", "--strict", "--no-dangling"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "error" not in done.stdout + done.stderr
