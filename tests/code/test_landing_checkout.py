"""The user's checkouts of the base move along with a landing, and nothing of theirs is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scriptorium.code.landing import (
    Blocked,
    Landed,
    finish_landing,
    make_landing_commit,
)
from scriptorium.code.pins import read_landings
from scriptorium.plan.ids import Oid
from tests.code.landings import CHANGES, TICKET, Git, prove, state, submit, try_landing

if TYPE_CHECKING:
    from scriptorium.code.evidence import Evidence
    from tests.code.conftest import Content, Fixture


def test_unrelated_uncommitted_work_is_untouched(fixture: Fixture, run_git: Git) -> None:
    (fixture.root / "src" / "app.py").write_text("dirty\n")
    (fixture.root / "staged").write_text("staged\n")
    (fixture.root / "src" / "untracked").write_text("untracked\n")
    run_git(fixture.root, "add", "staged")
    (fixture.root / "latest").unlink()
    before = run_git(fixture.root, "status", "--porcelain")
    evidence, commit = submit(fixture, {"README.md": "# Changed\n", "src/more.py": "x\n"})
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert run_git(fixture.root, "status", "--porcelain") == before
    assert (fixture.root / "src" / "app.py").read_text() == "dirty\n"
    assert (fixture.root / "README.md").read_text() == "# Changed\n"


def modified(root: Path, run_git: Git) -> None:
    (root / "README.md").write_text("mine\n")


def deleted(root: Path, run_git: Git) -> None:
    (root / "README.md").unlink()


def staged(root: Path, run_git: Git) -> None:
    (root / "README.md").write_text("mine\n")
    run_git(root, "add", "README.md")


def staged_only(root: Path, run_git: Git) -> None:
    staged(root, run_git)
    (root / "README.md").write_text("# Project\n")


def mode(root: Path, run_git: Git) -> None:
    (root / "README.md").chmod(0o755)


def linked(root: Path, run_git: Git) -> None:
    (root / "README.md").unlink()
    (root / "README.md").symlink_to("latest")


def folder(root: Path, run_git: Git) -> None:
    (root / "README.md").unlink()
    (root / "README.md").mkdir()


@pytest.mark.parametrize("spoil", [modified, deleted, staged, staged_only, mode, linked, folder])
@pytest.mark.parametrize("change", ["# Changed\n", None, ("link", "latest")])
def test_uncommitted_work_in_the_way_blocks(
    fixture: Fixture, run_git: Git, spoil: Callable[[Path, Git], None], change: Content
) -> None:
    evidence, commit = submit(fixture, {"README.md": change, "src/app.py": "changed\n"})
    spoil(fixture.root, run_git)
    before = state(fixture, run_git)
    assert try_landing(fixture, evidence, commit) == Blocked(("README.md",))
    assert state(fixture, run_git) == before
    assert read_landings(fixture.open()) == ()


@pytest.mark.parametrize("content", ["mine\n", "new\n"])
@pytest.mark.parametrize(
    ("mine", "named"),
    [("new", "new"), ("new/a", "new"), ("new/a/b", "new"), ("x.log", "x.log"), ("new", "new/inside")],
)
def test_untracked_and_ignored_files_in_the_way_block(
    fixture: Fixture, run_git: Git, mine: str, named: str, content: str
) -> None:
    evidence, commit = submit(fixture, {mine: "new\n", "README.md": "# Changed\n"})
    (fixture.root / named).parent.mkdir(exist_ok=True)
    (fixture.root / named).write_text(content)
    before = state(fixture, run_git)
    assert try_landing(fixture, evidence, commit) == Blocked((named,))
    assert state(fixture, run_git) == before


def test_a_landing_goes_on_when_the_file_is_out_of_the_way(fixture: Fixture, run_git: Git) -> None:
    evidence, commit = submit(fixture, CHANGES)
    (fixture.root / "README.md").write_text("mine\n")
    assert try_landing(fixture, evidence, commit) == Blocked(("README.md",))
    run_git(fixture.root, "stash")
    assert try_landing(fixture, evidence, commit) == Landed(commit)


def test_a_folder_that_is_a_link_is_not_followed(fixture: Fixture, tmp_path: Path) -> None:
    evidence, commit = submit(fixture, {"src/lib/words.txt": "changed\n", "src/lib/more": "x\n"})
    outside = tmp_path / "outside"
    (fixture.root / "src" / "lib").rename(outside)
    (fixture.root / "src" / "lib").symlink_to(outside)
    outcome = try_landing(fixture, evidence, commit)
    assert outcome == Blocked(("src/lib", "src/lib/words.txt"))
    assert [path.name for path in outside.iterdir()] == ["words.txt"]


def test_files_and_folders_take_each_others_place(fixture: Fixture, run_git: Git) -> None:
    evidence, commit = submit(
        fixture,
        {
            "src/app.py": None,
            "src/lib/words.txt": None,
            "src": "now a file\n",
            "README.md": None,
            "README.md/in/side": "x\n",
        },
    )
    (fixture.root / "src" / "lib" / "empty" / "deep").mkdir(parents=True)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert run_git(fixture.root, "status", "--porcelain") == ""
    assert (fixture.root / "src").read_text() == "now a file\n"
    assert (fixture.root / "README.md" / "in" / "side").read_text() == "x\n"


def test_folders_that_a_landing_empties_go(fixture: Fixture) -> None:
    evidence, commit = submit(fixture, {"src/lib/words.txt": None, "tools/run.sh": None})
    (fixture.root / "tools" / "mine").write_text("x")
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert not (fixture.root / "src" / "lib").exists()
    assert [path.name for path in (fixture.root / "tools").iterdir()] == ["mine"]


def test_hard_links_of_the_user_keep_their_content(fixture: Fixture, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.hardlink_to(fixture.root / "README.md")
    evidence, commit = submit(fixture, CHANGES)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert copy.read_text() == "# Project\n"


def test_line_ends_follow_the_landed_attributes(fixture: Fixture, run_git: Git) -> None:
    evidence, commit = submit(fixture, {".gitattributes": "*.txt text eol=crlf\n", "a.txt": "1\n2\n"})
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert (fixture.root / "a.txt").read_bytes() == b"1\r\n2\r\n"
    assert run_git(fixture.root, "status", "--porcelain") == ""
    evidence, commit = submit(fixture, {"a.txt": "1\n2\n3\n"})
    finish_landing(fixture.project, TICKET)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert (fixture.root / "a.txt").read_bytes() == b"1\r\n2\r\n3\r\n"


@pytest.mark.parametrize(
    "name", ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "index.lock", "rebase-apply/applying"]
)
def test_what_the_users_git_is_doing_blocks(fixture: Fixture, run_git: Git, name: str) -> None:
    evidence, commit = submit(fixture, CHANGES)
    path = fixture.project.git_dir / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{evidence.base}\n")
    before = state(fixture, run_git)
    assert try_landing(fixture, evidence, commit) == Blocked((f".git/{name.partition('/')[0]}",))
    assert state(fixture, run_git) == before
    assert path.read_text() == f"{evidence.base}\n"


def test_a_conflict_in_the_users_index_blocks(fixture: Fixture, run_git: Git) -> None:
    fixture.commit({"README.md": "other\n"}, parents=[fixture.tip()], branch="topic")
    fixture.land({"README.md": "this\n"})
    run_git(fixture.root, "merge", "topic", check=False)
    (fixture.project.git_dir / "MERGE_HEAD").unlink()
    evidence, commit = submit(fixture, {"src/app.py": "changed\n"})
    assert try_landing(fixture, evidence, commit) == Blocked(("README.md",))


def test_a_rebase_of_the_base_blocks(fixture: Fixture, run_git: Git) -> None:
    fixture.commit({"README.md": "other\n"}, parents=[fixture.tip()], branch="topic")
    fixture.land({"README.md": "this\n"})
    run_git(fixture.root, "rebase", "topic", check=False)
    evidence, commit = submit(fixture, {"src/app.py": "changed\n"})
    assert try_landing(fixture, evidence, commit) == Blocked((".git/rebase-merge",))
    run_git(fixture.root, "rebase", "--abort")
    assert try_landing(fixture, evidence, commit) == Landed(commit)


def test_a_rebase_of_the_base_in_an_agents_worktree_keeps_nobody_from_landing(
    fixture: Fixture, run_git: Git
) -> None:
    agents = fixture.project.worktrees_dir / "tickets" / "0002-other"
    run_git(fixture.root, "worktree", "add", "-q", "--detach", str(agents))
    rebase = fixture.project.git_dir / "worktrees" / agents.name / "rebase-merge"
    rebase.mkdir()
    (rebase / "head-name").write_text("refs/heads/main\n")
    evidence, commit = submit(fixture, CHANGES)
    assert try_landing(fixture, evidence, commit) == Landed(commit)


def test_a_checkout_that_comes_to_the_base_meanwhile_waits(
    fixture: Fixture, run_git: Git, tmp_path: Path
) -> None:
    run_git(fixture.root, "checkout", "-q", "-b", "topic")
    evidence, commit = submit(fixture, CHANGES)

    def switch(name: str) -> None:
        if name == "landing-ref":
            run_git(fixture.root, "checkout", "-q", "main")

    assert try_landing(fixture, evidence, commit, switch) == Blocked((".git/HEAD",))
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert run_git(fixture.root, "status", "--porcelain") == ""


def test_a_base_in_a_linked_worktree_moves_along(fixture: Fixture, run_git: Git, tmp_path: Path) -> None:
    run_git(fixture.root, "checkout", "-q", "-b", "topic")
    linked = tmp_path / "linked"
    run_git(fixture.root, "worktree", "add", "-q", str(linked), "main")
    evidence, commit = submit(fixture, CHANGES)
    (linked / "README.md").write_text("mine\n")
    before = state(fixture, run_git, linked)
    assert try_landing(fixture, evidence, commit) == Blocked((str(linked / "README.md"),))
    assert state(fixture, run_git, linked) == before
    run_git(linked, "checkout", "README.md")
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert run_git(linked, "status", "--porcelain") == ""
    assert run_git(linked, "rev-parse", "HEAD").strip() == commit
    assert run_git(fixture.root, "status", "--porcelain") == ""
    assert (fixture.root / "README.md").read_text() == "# Project\n"


def test_two_checkouts_move_or_neither(fixture: Fixture, run_git: Git, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    run_git(fixture.root, "worktree", "add", "-q", "--force", str(linked), "main")
    evidence, commit = submit(fixture, CHANGES)
    (linked / "README.md").write_text("mine\n")
    assert try_landing(fixture, evidence, commit) == Blocked((str(linked / "README.md"),))
    assert run_git(fixture.root, "status", "--porcelain") == ""
    run_git(linked, "checkout", "README.md")
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    for path in (fixture.root, linked):
        assert run_git(path, "status", "--porcelain") == ""


def test_own_worktrees_and_vanished_ones_do_not_count(fixture: Fixture, run_git: Git, tmp_path: Path) -> None:
    run_git(fixture.root, "checkout", "-q", "-b", "topic")
    own = fixture.project.worktrees_dir / "base"
    gone = tmp_path / "gone"
    for path in (own, gone):
        run_git(fixture.root, "worktree", "add", "-q", "--force", str(path), "main")
    gone.rename(tmp_path / "elsewhere")
    (own / "README.md").write_text("an agent was here\n")
    evidence, commit = submit(fixture, CHANGES)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert (own / "README.md").read_text() == "an agent was here\n"


@pytest.mark.parametrize("linked", [True, False])
def test_a_bare_repository(bare: Fixture, run_git: Git, tmp_path: Path, linked: bool) -> None:
    if linked:
        run_git(bare.root, "worktree", "add", "-q", str(tmp_path / "linked"), "main")
    evidence, commit = submit(bare, CHANGES)
    assert try_landing(bare, evidence, commit) == Landed(commit)
    assert bare.tip() == commit
    if linked:
        assert run_git(tmp_path / "linked", "status", "--porcelain") == ""


def test_a_checkout_of_another_branch_is_not_touched(fixture: Fixture, run_git: Git) -> None:
    run_git(fixture.root, "checkout", "-q", "-b", "topic")
    (fixture.root / "README.md").write_text("mine\n")
    evidence, commit = submit(fixture, CHANGES)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert run_git(fixture.root, "status", "--porcelain") == " M README.md\n"


def test_submodules_are_recorded_and_their_folders_left(fixture: Fixture, run_git: Git) -> None:
    first = fixture.commit({}, parents=[], branch="sub")
    for oid, named in ((first, True), (fixture.tip(), True), (None, False)):
        evidence, _ = submit_submodule(fixture, oid)
        commit = make_landing_commit(fixture.project, evidence, "submodule")
        finish_landing(fixture.project, TICKET)
        assert try_landing(fixture, evidence, commit) == Landed(commit)
        folder = fixture.root / "module"
        assert run_git(fixture.root, "diff", "--cached", "--stat") == ""
        assert folder.is_dir()
        if not (folder / ".git").exists():
            run_git(fixture.root, "clone", "-q", str(fixture.root), str(folder))
            (folder / "precious").write_text("x")
        assert (folder / "precious").exists()
        assert named == ("module" in run_git(fixture.root, "ls-files"))


def submit_submodule(fixture: Fixture, oid: Oid | None) -> tuple[Evidence, Oid]:
    import pygit2
    from pygit2.enums import FileMode

    repo = fixture.open()
    index = pygit2.Index()
    index.read_tree(repo[fixture.tip()].peel(pygit2.Tree))
    if oid is None:
        index.remove("module")
    else:
        index.add(pygit2.IndexEntry("module", pygit2.Oid(hex=oid), FileMode.COMMIT))
    who = pygit2.Signature("A", "a@example.org", 1, 0)
    parents: list[pygit2.Oid | str] = [pygit2.Oid(hex=fixture.tip())]
    submission = Oid(str(repo.create_commit(None, who, who, "m", index.write_tree(repo), parents)))
    return prove(fixture, submission), submission


def test_file_names_need_not_be_utf8(fixture: Fixture, run_git: Git) -> None:
    import pygit2
    from pygit2.enums import ObjectType

    repo = fixture.open()
    who = pygit2.Signature("A", "a@example.org", 1, 0)
    for content in (b"one", b"two"):
        finish_landing(fixture.project, TICKET)
        tree = repo.write(ObjectType.TREE, b"100644 caf\xe9\0" + repo.create_blob(content).raw)
        parents: list[pygit2.Oid | str] = [pygit2.Oid(hex=fixture.tip())]
        submission = Oid(str(repo.create_commit(None, who, who, "m", tree, parents)))
        evidence = prove(fixture, submission)
        commit = make_landing_commit(fixture.project, evidence, "m")
        assert try_landing(fixture, evidence, commit) == Landed(commit)
        assert run_git(fixture.root, "status", "--porcelain") == ""
        assert Path(os.fsdecode(os.fsencode(fixture.root) + b"/caf\xe9")).read_bytes() == content
