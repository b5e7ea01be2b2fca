"""Git deletes something of what an agent has committed: its files are work on the last whole commit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import FileMode, ObjectType

from scriptorium.code import salvage
from scriptorium.code.capture import SubmissionRefused, capture, snapshot_work
from scriptorium.code.landing import Landed
from scriptorium.code.mending import Files, Mended, Workplace, mend, on_whole_commits
from scriptorium.code.pins import pin_submitted, pin_work, work_pins
from scriptorium.code.repository import open_repository
from scriptorium.code.wholeness import ObjectsVanished, missing_since
from scriptorium.code.worktrees import prepare_worktree, remove_worktree
from scriptorium.plan.ids import Oid, TicketId
from tests.code.landings import submit, try_landing
from tests.code.test_wholeness import objects_of, vanish

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

ONE = TicketId("0001")
BRANCH = "scriptorium/ticket-0001"
PARTS = ["commit", "tree", "folder", "file"]
Git = Callable[..., str]


@pytest.fixture
def worktree(fixture: Fixture) -> Path:
    return prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True).path


def place_of(fixture: Fixture, worktree: Path) -> Workplace:
    return Workplace(fixture.project, ONE, worktree, fixture.tip())


def work(worktree: Path, run_git: Git, **files: str) -> Oid:
    """Commit files in the worktree, as an agent does."""
    for name, text in files.items():
        (worktree / "src" / f"{name}.py").write_text(text)
    run_git(worktree, "add", "--all")
    run_git(worktree, "commit", "-q", "-m", " and ".join(files))
    return Oid(run_git(worktree, "rev-parse", "HEAD").strip())


def lose(fixture: Fixture, commit: Oid, what: str) -> None:
    """What the commit alone has; the worktree's files stay."""
    vanish(fixture, objects_of(fixture, commit)[what])


def assert_sound(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    assert run_git(fixture.root, "fsck", "--strict", "--no-dangling") == ""
    run_git(fixture.root, "gc", "-q", "--prune=now")
    if worktree.exists():
        run_git(worktree, "add", "--all")
        run_git(worktree, "commit", "-q", "--allow-empty", "-m", "more")


def submitted(fixture: Fixture, worktree: Path, tell: Callable[[Mended], None]) -> Oid:
    """As the service takes a submission."""

    def take() -> Oid:
        commit = capture(fixture.project, worktree, ONE, fixture.tip()).commit
        pin_submitted(open_repository(fixture.project), ONE, commit, fixture.tip())
        return commit

    return on_whole_commits(place_of(fixture, worktree), take, tell)


@pytest.mark.req("V1-34")
@pytest.mark.parametrize("what", PARTS)
def test_a_submission_is_taken_all_the_same(
    fixture: Fixture, worktree: Path, run_git: Git, what: str
) -> None:
    first = work(worktree, run_git, one="one\n")
    lost = work(worktree, run_git, new="new\n")
    (worktree / "src" / "more.py").write_text("more\n")
    lose(fixture, lost, what)
    told: list[Mended] = []

    commit = submitted(fixture, worktree, told.append)

    assert told == [Mended(lost, first)]
    assert fixture.tip(BRANCH) == first
    tree = fixture.tree(commit)
    assert (tree["src/one.py"], tree["src/new.py"], tree["src/more.py"]) == (b"one\n", b"new\n", b"more\n")
    assert [str(parent) for parent in fixture.open()[commit].peel(pygit2.Commit).parent_ids] == [first]
    assert_sound(fixture, worktree, run_git)


def test_a_commit_in_between_is_seen(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    """The newest is whole, but landing it would bring the one before along."""
    base = fixture.tip()
    lost = work(worktree, run_git, new="new\n")
    last = work(worktree, run_git, new="newer\n")
    lose(fixture, lost, "file")
    assert missing_since(fixture.project.git_dir, last, base) == objects_of(fixture, lost)["file"]
    told: list[Mended] = []

    commit = submitted(fixture, worktree, told.append)

    assert told == [Mended(last, base)]
    assert fixture.tree(commit)["src/new.py"] == b"newer\n"
    assert missing_since(fixture.project.git_dir, commit, base) is None
    assert_sound(fixture, worktree, run_git)


@pytest.mark.parametrize("what", PARTS)
def test_the_next_attempt_goes_on_with_the_files(
    fixture: Fixture, worktree: Path, run_git: Git, what: str
) -> None:
    first = work(worktree, run_git, one="one\n")
    lost = work(worktree, run_git, new="new\n")
    lose(fixture, lost, what)

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)

    assert (prepared.mended, prepared.head) == (Mended(lost, first), first)
    assert (worktree / "src" / "new.py").read_text() == "new\n"
    assert run_git(worktree, "status", "--porcelain") == "A  src/new.py\n"
    assert_sound(fixture, worktree, run_git)
    again = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)
    assert again.mended is None


@pytest.mark.parametrize("what", PARTS)
def test_its_worktree_can_go_and_the_work_is_kept(
    fixture: Fixture, worktree: Path, run_git: Git, what: str
) -> None:
    lost = work(worktree, run_git, new="new\n")
    lose(fixture, lost, what)
    remove_worktree(fixture.project, worktree, base=fixture.tip())
    assert not worktree.exists()
    (pin,) = work_pins(open_repository(fixture.project), ONE)
    assert fixture.tree(pin)["src/new.py"] == b"new\n"
    assert_sound(fixture, worktree, run_git)


def test_without_a_reflog_a_lost_commit_leaves_its_files_alone(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    """What they were work on cannot be told, and the base has moved on: they must not take that back."""
    lost = work(worktree, run_git, new="new\n")
    fixture.land({"src/app.py": "print('two')\n"})
    (fixture.project.git_dir / "logs" / "refs" / "heads" / BRANCH).unlink()
    vanish(fixture, lost)
    told: list[Mended] = []
    with pytest.raises(SubmissionRefused, match="end now"):
        submitted(fixture, worktree, told.append)
    assert told == [Mended(lost, None)]

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)

    assert prepared.head == fixture.tip(BRANCH) == fixture.tip()
    assert run_git(worktree, "status", "--porcelain") == ""
    (pin,) = work_pins(open_repository(fixture.project), ONE)
    assert fixture.tree(pin)["src/new.py"] == b"new\n"
    assert_sound(fixture, worktree, run_git)


@pytest.mark.parametrize("what", PARTS)
@pytest.mark.parametrize("where", ["detached", "elsewhere"])
def test_a_head_that_is_not_on_the_branch(
    fixture: Fixture, worktree: Path, run_git: Git, where: str, what: str
) -> None:
    base = fixture.tip()
    run_git(worktree, "checkout", "-q", *(["--detach"] if where == "detached" else ["-b", "elsewhere"]))
    lost = work(worktree, run_git, new="new\n")
    lose(fixture, lost, what)
    told: list[Mended] = []
    commit = submitted(fixture, worktree, told.append)
    assert told == [Mended(lost, base)]
    assert fixture.tree(commit)["src/new.py"] == b"new\n"
    assert fixture.tip(BRANCH) == base
    assert run_git(worktree, "rev-parse", "HEAD").strip() == base
    if where == "elsewhere":  # a branch of the agent's own making is not ours to move
        assert run_git(fixture.root, "rev-parse", "elsewhere").strip() == lost


def test_an_open_merge_keeps_what_is_undecided(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    work(worktree, run_git, app="print('mine')\n")
    fixture.land({"src/app.py": "print('theirs')\n"})
    lost = fixture.tip(BRANCH)
    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)
    assert prepared.conflicts == ("src/app.py",)
    vanish(fixture, str(fixture.open()[lost].peel(pygit2.Commit).tree_id))
    assert mend(place_of(fixture, worktree)) is not None
    assert run_git(worktree, "status", "--porcelain", "src/app.py") == "UU src/app.py\n"


def test_nothing_is_done_to_what_is_whole(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    commit = work(worktree, run_git, new="new\n")
    assert mend(place_of(fixture, worktree)) is None
    assert fixture.tip(BRANCH) == commit
    with pytest.raises(KeyError, match="not this"):
        on_whole_commits(place_of(fixture, worktree), lambda: dict[str, int]()["not this"])


def test_what_is_made_is_made_again(fixture: Fixture, worktree: Path) -> None:
    tries: list[Oid] = []

    def keep() -> str:
        commit = fixture.commit({"src/new.py": "new\n"})
        if not tries:
            lose(fixture, commit, "file")
        tries.append(commit)
        return pin_work(open_repository(fixture.project), ONE, commit)

    assert on_whole_commits(place_of(fixture, worktree), keep) == "refs/scriptorium/work/0001/1"
    assert len(tries) == 2


def test_what_was_there_a_moment_ago_is_made_again(fixture: Fixture, worktree: Path) -> None:
    """A file that was stored just now is taken before a tree has it: libgit2 says so in its own words."""
    tries: list[int] = []

    def store() -> str:
        tries.append(1)
        oid = fixture.open().create_blob(b"new\n")
        if len(tries) == 1:
            vanish(fixture, str(oid))
        index = pygit2.Index()
        index.add(pygit2.IndexEntry("new.py", oid, FileMode.BLOB))
        return str(index.write_tree(fixture.open()))

    assert on_whole_commits(place_of(fixture, worktree), store)
    assert len(tries) == 2


def test_there_is_an_end_to_it(fixture: Fixture, worktree: Path) -> None:
    def keep() -> str:
        commit = fixture.commit({"src/new.py": "new\n"})
        vanish(fixture, commit)
        return pin_work(open_repository(fixture.project), ONE, commit)

    with pytest.raises(ObjectsVanished, match="do not run `git gc --prune=now`"):
        on_whole_commits(place_of(fixture, worktree), keep)


def test_a_head_that_names_anything(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    """An agent can write what it likes there."""
    (worktree / "src" / "new.py").write_text("new\n")
    own_dir = fixture.project.git_dir / "worktrees" / "scriptorium-0001"
    (own_dir / "HEAD").write_text("1" * 40 + "\n")
    told: list[Mended] = []
    commit = submitted(fixture, worktree, told.append)
    assert fixture.tree(commit)["src/new.py"] == b"new\n"
    work_there = snapshot_work(fixture.project, worktree, ONE, base=fixture.tip())
    assert work_there is None or work_there.commit == commit
    assert_sound(fixture, worktree, run_git)


def test_a_reflog_that_is_elsewhere_stays(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    """A worktree's own directory is the agent's to write: this link leads to the user's HEAD."""
    lost = work(worktree, run_git, new="new\n")
    lose(fixture, lost, "tree")
    logs = fixture.project.git_dir / "worktrees" / "scriptorium-0001" / "logs"
    logs.rename(logs.with_name("old-logs"))
    logs.symlink_to(fixture.project.git_dir)
    assert mend(place_of(fixture, worktree)) is not None
    assert (fixture.project.git_dir / "HEAD").exists()


def test_what_one_agent_has_lost_is_in_nobody_elses_way(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    lost = work(worktree, run_git, new="new\n")
    work(worktree, run_git, last="last\n")
    vanish(fixture, lost)
    commit = fixture.commit({"src/other.py": "other\n"})
    two = TicketId("0002")
    assert pin_submitted(open_repository(fixture.project), two, commit, fixture.tip())
    assert pin_work(open_repository(fixture.project), two, fixture.commit({"src/other.py": "more\n"}))
    evidence, landing = submit(fixture, {"src/other.py": "other\n"})
    assert isinstance(try_landing(fixture, evidence, landing), Landed)


@pytest.mark.parametrize("where", ["gone", "elsewhere"])
def test_what_is_in_no_worktree_is_gathered_from_what_git_has_left(
    fixture: Fixture, worktree: Path, run_git: Git, where: str
) -> None:
    first = work(worktree, run_git, one="one\n", two="two\n")
    middle = work(worktree, run_git, new="new\n", two="two, better\n")
    lost = work(worktree, run_git, last="last\n")
    if where == "gone":
        run_git(fixture.root, "worktree", "remove", "--force", str(worktree))
    else:
        run_git(worktree, "checkout", "-q", "--detach", first)
    vanish(fixture, run_git(fixture.root, "rev-parse", f"{middle}:src/two.py").strip())

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)

    assert prepared.mended == Mended(lost, prepared.head, Files.LEFT)
    assert f"what is left of its files is kept, and the work goes on from {prepared.head[:10]}" in str(
        prepared.mended
    )
    assert [str(parent) for parent in fixture.open()[prepared.head].peel(pygit2.Commit).parent_ids] == [first]
    tree = fixture.tree(prepared.head)
    assert (tree["src/new.py"], tree["src/last.py"]) == (b"new\n", b"last\n")
    assert tree["src/two.py"] == b"two\n", "as the last whole commit has it"
    assert (worktree / "src" / "last.py").exists()
    if where == "gone":  # else the reflog of the user's repository still names what is lost
        assert_sound(fixture, worktree, run_git)


def test_a_folder_that_is_lost_is_as_before(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    first = work(worktree, run_git, one="one\n")
    (worktree / "top.txt").write_text("top\n")
    lost = work(worktree, run_git, one="one, better\n", new="new\n")
    run_git(fixture.root, "worktree", "remove", "--force", str(worktree))
    lose(fixture, lost, "folder")
    mended = mend(place_of(fixture, worktree))
    assert mended is not None
    assert mended.now is not None
    tree = fixture.tree(mended.now)
    assert tree["top.txt"] == b"top\n"
    assert tree["src/one.py"] == fixture.tree(first)["src/one.py"] == b"one\n"
    assert "src/new.py" not in tree


@pytest.mark.parametrize("what", ["commit", "tree"])
def test_what_cannot_be_kept_is_said(fixture: Fixture, worktree: Path, run_git: Git, what: str) -> None:
    first = work(worktree, run_git, one="one\n")
    lost = work(worktree, run_git, new="new\n")
    run_git(fixture.root, "worktree", "remove", "--force", str(worktree))
    lose(fixture, lost, what)
    mended = mend(place_of(fixture, worktree))
    assert mended == Mended(lost, first, Files.GONE)
    assert f"nothing of it could be kept, and the work goes on from {first[:10]}" in str(mended)
    assert fixture.tip(BRANCH) == first


def test_with_nothing_to_go_on_from_what_is_left_is_pinned(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    """No commit of it can be landed, as none says what the files were work on."""
    base = fixture.tip()
    lost = work(worktree, run_git, one="one\n")
    last = work(worktree, run_git, new="new\n")
    run_git(fixture.root, "worktree", "remove", "--force", str(worktree))
    (fixture.project.git_dir / "logs" / "refs" / "heads" / BRANCH).unlink()
    vanish(fixture, lost)
    mended = mend(place_of(fixture, worktree))
    assert mended == Mended(last, None, Files.LEFT)
    assert "what is left of its files is kept in a pin" in str(mended)
    (pin,) = work_pins(open_repository(fixture.project), ONE)
    assert fixture.tree(pin)["src/new.py"] == b"new\n"
    assert prepare_worktree(fixture.project, ONE, "fix-it", base, merge_base=True).head == base


def test_a_long_branch_goes_back_to_just_before_what_is_lost(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    commits = [work(worktree, run_git, **{f"file{number}": f"{number}\n"}) for number in range(60)]
    vanish(fixture, run_git(fixture.root, "rev-parse", f"{commits[5]}:src/file5.py").strip())
    assert mend(place_of(fixture, worktree)) == Mended(commits[-1], commits[4])
    assert (worktree / "src" / "file59.py").exists()
    assert_sound(fixture, worktree, run_git)


def test_folders_may_be_deep_and_all_alike(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    """In an earlier commit, as no checkout could hold them: a thousand deep, and a million million."""
    base = fixture.tip()
    repo = fixture.open()
    top = deep = wide = repo[base].peel(pygit2.Tree).id
    for _ in range(1_200):
        deep = tree_of(repo, {"d": deep})
    for _ in range(12):
        wide = tree_of(repo, {f"d{number}": wide for number in range(10)})
    commit = base
    for tree in (deep, wide, top):
        commit = Oid(run_git(fixture.root, "commit-tree", str(tree), "-p", commit, "-m", "one").strip())
    assert missing_since(fixture.project.git_dir, commit, base) is None
    run_git(worktree, "reset", "-q", "--hard", commit)
    assert mend(place_of(fixture, worktree)) is None
    (worktree / "src" / "new.py").write_text("new\n")
    assert fixture.tree(submitted(fixture, worktree, lambda _: None))["src/new.py"] == b"new\n"


def tree_of(repo: pygit2.Repository, folders: dict[str, pygit2.Oid]) -> pygit2.Oid:
    builder = repo.TreeBuilder()
    for name, tree in folders.items():
        builder.insert(name, tree, FileMode.TREE)
    return builder.write()


def test_a_branch_that_is_no_plain_ref_is_not_looked_into(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    (worktree / "src" / "new.py").write_text("new\n")
    run_git(fixture.root, "symbolic-ref", f"refs/heads/{BRANCH}", "refs/heads/main")
    assert mend(place_of(fixture, worktree)) is None
    remove_worktree(fixture.project, worktree, base=fixture.tip())
    (pin,) = work_pins(open_repository(fixture.project), ONE)
    assert fixture.tree(pin)["src/new.py"] == b"new\n"


@pytest.mark.parametrize("loses", ["the file too", "the commit"])
def test_an_ignored_file_that_was_added_stays_added(
    fixture: Fixture, worktree: Path, run_git: Git, loses: str
) -> None:
    (worktree / ".gitignore").write_text("out/\n")
    work(worktree, run_git, one="one\n")
    (worktree / "out").mkdir()
    for name in ("kept", "other", "removed"):
        (worktree / "out" / f"{name}.txt").write_text(f"{name}\n")
    run_git(worktree, "add", "--force", "out/kept.txt", "out/removed.txt")
    lost = work(worktree, run_git, new="new\n")
    (worktree / "out" / "removed.txt").unlink()
    if loses == "the file too":
        vanish(fixture, run_git(worktree, "rev-parse", "HEAD:out/kept.txt").strip())
    vanish(fixture, lost)
    tree = fixture.tree(submitted(fixture, worktree, lambda _: None))
    assert tree["out/kept.txt"] == b"kept\n"
    assert not {"out/other.txt", "out/removed.txt"} & tree.keys()
    assert_sound(fixture, worktree, run_git)


def test_a_folder_in_the_way_of_head_does_no_harm(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    """A worktree's own directory is the agent's to write."""
    base = fixture.tip()
    run_git(worktree, "checkout", "-q", "--detach")
    lost = work(worktree, run_git, new="new\n")
    (fixture.project.git_dir / "worktrees" / "scriptorium-0001" / "HEAD.scriptorium" / "deep").mkdir(
        parents=True
    )
    vanish(fixture, lost)
    assert mend(place_of(fixture, worktree)) == Mended(lost, base)
    assert run_git(worktree, "rev-parse", "HEAD").strip() == base


def test_a_partial_clone_never_had_the_files_of_every_commit(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    base = fixture.tip()
    earlier = work(worktree, run_git, new="new\n")
    last = work(worktree, run_git, new="newer\n")
    git_dir = fixture.project.git_dir
    lose(fixture, earlier, "file")
    assert missing_since(git_dir, last, base) is not None
    run_git(fixture.root, "config", "remote.origin.promisor", "true")
    assert missing_since(git_dir, last, base) is None
    lose(fixture, last, "file")
    assert missing_since(git_dir, last, base) == objects_of(fixture, last)["file"]


@pytest.mark.parametrize("where", [["--detach"], ["-b", "mine"]])
def test_a_worktree_on_top_of_the_branch_holds_its_files(
    fixture: Fixture, worktree: Path, run_git: Git, where: list[str]
) -> None:
    first = work(worktree, run_git, one="one\n")
    tip = work(worktree, run_git, two="two\n", new="new\n")
    run_git(worktree, "checkout", "-q", *where)
    work(worktree, run_git, three="three\n")
    (worktree / "src" / "four.py").write_text("four\n")
    lose(fixture, tip, "file")

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)

    assert (prepared.mended, prepared.head) == (Mended(tip, first), first)
    assert {f"{name}.py" for name in ("one", "two", "new", "three", "four")} <= {
        path.name for path in (worktree / "src").iterdir()
    }
    assert run_git(worktree, "symbolic-ref", "HEAD").strip() == f"refs/heads/{BRANCH}"


def test_a_worktree_under_an_earlier_name_holds_its_files(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    first = work(worktree, run_git, one="one\n")
    lost = work(worktree, run_git, new="new\n")
    lose(fixture, lost, "tree")
    prepared = prepare_worktree(fixture.project, ONE, "new-name", fixture.tip(), merge_base=True)
    assert prepared.mended == Mended(lost, first)
    assert (prepared.path / "src" / "new.py").read_text() == "new\n"
    assert not worktree.exists()


def test_a_worktree_that_was_emptied_holds_nothing(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    work(worktree, run_git, one="one\n")
    lost = work(worktree, run_git, new="new\n", two="two\n")
    lose(fixture, lost, "file")
    for path in worktree.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)
    assert prepared.mended == Mended(lost, prepared.head, Files.LEFT)
    assert (worktree / "src" / "two.py").read_text() == "two\n"


def test_what_was_amended_away_is_the_next_best(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    amended = work(worktree, run_git, new="new\n", two="two\n")
    (worktree / "src" / "new.py").write_text("newer\n")
    run_git(worktree, "commit", "-q", "--all", "--amend", "--no-edit")
    lost = fixture.tip(BRANCH)
    run_git(fixture.root, "worktree", "remove", "--force", str(worktree))
    lose(fixture, lost, "tree")
    mended = mend(place_of(fixture, worktree))
    assert mended is not None
    assert mended.now is not None
    assert fixture.tree(mended.now) == fixture.tree(amended)


def test_a_commit_that_takes_the_lost_one_back_has_lost_nothing(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    base = fixture.tip()
    lost = work(worktree, run_git, new="new\n")
    run_git(worktree, "revert", "--no-edit", "HEAD")
    last = fixture.tip(BRANCH)
    run_git(fixture.root, "worktree", "remove", "--force", str(worktree))
    lose(fixture, lost, "file")
    assert mend(place_of(fixture, worktree)) == Mended(last, base, Files.LEFT)


@pytest.mark.parametrize("damage", ["empty commit", "empty tree", "empty folder", "a file of another kind"])
def test_damaged_objects_are_as_good_as_none(
    fixture: Fixture, worktree: Path, run_git: Git, damage: str
) -> None:
    first = work(worktree, run_git, one="one\n")
    lost = work(worktree, run_git, new="new\n")
    objects = objects_of(fixture, lost)
    if damage == "a file of another kind":
        raw = b"100644 one.py\0" + bytes.fromhex(objects["folder"]) + b"160000 sub\0" + bytes(20)
        tree = fixture.open().odb.write(ObjectType.TREE, raw)
        lost = Oid(run_git(worktree, "commit-tree", str(tree), "-p", lost, "-m", "odd").strip())
        (fixture.project.git_dir / "refs" / "heads" / BRANCH).write_text(f"{lost}\n")
    else:
        oid = objects[damage.removeprefix("empty ")]
        place = fixture.project.git_dir / "objects" / oid[:2] / oid[2:]
        place.chmod(0o644)
        place.write_bytes(b"")
    shutil.rmtree(worktree)
    lose_another = objects["file"]
    vanish(fixture, lose_another)

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)

    assert prepared.mended is not None
    assert prepared.mended.lost == lost
    assert fixture.open()[prepared.head].peel(pygit2.Commit).parent_ids[0] == first or prepared.head == first
    remove_worktree(fixture.project, worktree, base=fixture.tip())


def test_a_branch_at_no_commit_is_begun_anew(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    blob = fixture.open().create_blob(b"no commit\n")
    (fixture.project.git_dir / "logs" / "refs" / "heads" / BRANCH).unlink()
    (fixture.project.git_dir / "refs" / "heads" / BRANCH).write_text(f"{blob}\n")
    shutil.rmtree(worktree)
    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)
    assert prepared.mended == Mended(Oid(str(blob)), None, Files.GONE)
    assert prepared.head == fixture.tip()


def test_there_is_an_end_to_what_is_gathered(
    fixture: Fixture, worktree: Path, run_git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = work(worktree, run_git, one="one\n")
    repo = fixture.open()
    wide = tree_of(repo, {"src": repo[first].peel(pygit2.Tree)["src"].id})
    for _ in range(12):
        wide = tree_of(repo, {f"d{number}": wide for number in range(10)})
    lost = Oid(run_git(worktree, "commit-tree", str(wide), "-p", first, "-m", "wide").strip())
    shutil.rmtree(worktree)
    (fixture.project.git_dir / "refs" / "heads" / BRANCH).write_text(f"{lost}\n")
    vanish(fixture, str(repo[first].peel(pygit2.Tree)["src"].peel(pygit2.Tree)["one.py"].id))
    monkeypatch.setattr(salvage, "_MOST_ENTRIES", 1_000)
    mended = mend(place_of(fixture, worktree))
    assert mended == Mended(lost, fixture.tip(), Files.GONE)


def test_a_lost_file_is_stored_as_its_attributes_say(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    (worktree / ".gitattributes").write_text("*.py text eol=crlf\n")
    work(worktree, run_git, one="one\n")
    (worktree / "src" / "new.py").write_bytes(b"a\r\nb\r\n")
    lost = work(worktree, run_git, two="two\n")
    lose(fixture, lost, "file")
    mend(place_of(fixture, worktree))
    run_git(worktree, "commit", "-q", "-m", "again")
    assert fixture.tree(fixture.tip(BRANCH))["src/new.py"] == b"a\nb\n"
