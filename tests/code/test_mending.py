"""Git deletes something of what an agent has committed: its files are work on the last whole commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
import pytest

from scriptorium.code.capture import SubmissionRefused, capture, snapshot_work
from scriptorium.code.landing import Landed
from scriptorium.code.mending import Mended, Workplace, mend, on_whole_commits
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
    assert run_git(worktree, "status", "--porcelain") == "?? src/new.py\n"
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
