"""A worktree is brought to exactly a commit, whatever an agent left in it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import FileMode, ObjectType

from scriptorium.code import exact
from scriptorium.code.exact import WorktreeBroken, reset_to_commit
from scriptorium.code.trees import UnsafeTree
from scriptorium.plan.ids import Oid

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

Git = Callable[..., str]


@pytest.fixture
def worktree(fixture: Fixture, run_git: Git) -> Path:
    """A ticket's worktree at the base's tip, on the ticket's branch."""
    path = fixture.project.worktrees_dir / "tickets" / "0001-x"
    run_git(fixture.root, "worktree", "add", "-q", "-b", "scriptorium/ticket-0001", str(path))
    return path


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Path -> (git's mode, content) of everything in a checkout but `.git`, empty folders included."""
    found: dict[str, tuple[int, bytes]] = {}
    for parent, folders, files in os.walk(folder):
        names = [*files, *(name for name in folders if Path(parent, name).is_symlink())]
        for name in names:
            path = Path(parent, name)
            key = str(path.relative_to(folder))
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                found[key] = (FileMode.LINK, os.fsencode(path.readlink()))
            elif stat.S_ISREG(mode):
                kind = FileMode.BLOB_EXECUTABLE if mode & 0o100 else FileMode.BLOB
                found[key] = (kind, path.read_bytes())
            else:
                found[key] = (mode, b"")
        if not folders and not files:
            found[str(Path(parent).relative_to(folder))] = (FileMode.TREE, b"")
    found.pop(".git", None)
    return found


def assert_exact(fixture: Fixture, worktree: Path, commit: Oid, run_git: Git) -> None:
    """The worktree is `commit`, to the byte and the bit, and git agrees."""
    modes = fixture.modes(commit)
    expected = {path: (modes[path], data) for path, data in fixture.tree(commit).items()}
    assert content(worktree) == expected
    assert run_git(worktree, "rev-parse", "HEAD").strip() == commit
    assert run_git(worktree, "symbolic-ref", "-q", "HEAD", check=False) == ""
    assert run_git(worktree, "status", "--porcelain", "--ignored") == ""
    assert run_git(worktree, "ls-files", "--stage") == run_git(
        worktree, "ls-tree", "-r", "--format=%(objectmode) %(objectname) 0\t%(path)", commit
    )
    run_git(fixture.root, "fsck", "--strict")


def next_commit(fixture: Fixture) -> Oid:
    return fixture.commit(
        {
            "src/app.py": "print('two')\n",
            "src/new/deep/file": "new\n",
            "README.md": None,
            "tools/run.sh": "no longer executable\n",
            "latest": "no longer a link\n",
            "to-words": ("link", "src/lib"),
            "build.sh": ("exec", "#!/bin/sh\n"),
        }
    )


@pytest.mark.req("V1-24")
def test_an_untouched_worktree_moves_to_the_commit(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    for commit in (next_commit(fixture), fixture.tip(), fixture.tip()):
        reset_to_commit(fixture.project, worktree, commit)
        assert_exact(fixture, worktree, commit, run_git)
    assert fixture.tip("scriptorium/ticket-0001") == fixture.tip()


@pytest.fixture(params=["ours", "libgit2"])
def writer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes the plain files: we do when they are few, else libgit2."""
    if request.param == "libgit2":
        monkeypatch.setattr(exact, "WRITTEN_BY_US", 0)


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_of_new_files_and_folders_are_those_of_a_checkout(
    fixture: Fixture, worktree: Path, umask: int, run_git: Git
) -> None:
    commit = next_commit(fixture)
    before = os.umask(umask)
    try:
        reset_to_commit(fixture.project, worktree, commit)
    finally:
        os.umask(before)
    assert_exact(fixture, worktree, commit, run_git)
    kinds = {"src/new": 0o755, "src/new/deep": 0o755, "src/new/deep/file": 0o644, "build.sh": 0o755}
    found = {path: stat.S_IMODE((worktree / path).lstat().st_mode) for path in kinds}
    assert found == {path: mode & ~umask for path, mode in kinds.items()}


def spoil_untracked(worktree: Path, run_git: Git) -> None:
    (worktree / "stray").write_text("x")
    (worktree / "src" / "stray.log").write_text("ignored")
    (worktree / "build").mkdir()
    (worktree / "build" / "out").write_text("ignored")
    (worktree / "empty" / "folders").mkdir(parents=True)
    os.mkfifo(worktree / "fifo")
    Path(os.fsdecode(os.fsencode(worktree) + b"/caf\xe9 \n")).write_text("odd name")


def spoil_staged(worktree: Path, run_git: Git) -> None:
    (worktree / "src" / "app.py").write_text("staged")
    (worktree / "added").write_text("staged")
    run_git(worktree, "add", "--all")
    run_git(worktree, "rm", "-q", "--cached", "README.md")


def spoil_kinds(worktree: Path, run_git: Git) -> None:
    (worktree / "README.md").unlink()
    (worktree / "README.md").mkdir()
    (worktree / "README.md" / "inside").write_text("x")
    (worktree / "src" / "app.py").unlink()
    (worktree / "src" / "app.py").symlink_to("../README.md")
    (worktree / "tools" / "run.sh").chmod(0o644)
    (worktree / "src" / "lib" / "words.txt").chmod(0o4755)
    (worktree / "latest").unlink()
    (worktree / "latest").write_text("src/app.py")


def spoil_branch(worktree: Path, run_git: Git) -> None:
    (worktree / "mine").write_text("x")
    run_git(worktree, "checkout", "-q", "-b", "elsewhere")
    run_git(worktree, "add", "--all")
    run_git(worktree, "commit", "-q", "-m", "mine")


def spoil_merge(worktree: Path, run_git: Git) -> None:
    (worktree / "README.md").write_text("one")
    run_git(worktree, "commit", "-q", "-a", "-m", "one")
    run_git(worktree, "checkout", "-q", "-b", "other", "HEAD~")
    (worktree / "README.md").write_text("two")
    run_git(worktree, "commit", "-q", "-a", "-m", "two")
    run_git(worktree, "merge", "scriptorium/ticket-0001", check=False)
    assert "UU README.md" in run_git(worktree, "status", "--porcelain")


def spoil_nested(worktree: Path, run_git: Git) -> None:
    for place in ("nested", "src"):
        run_git(worktree, "init", "-q", place)
    run_git(worktree / "nested", "commit", "-q", "--allow-empty", "-m", "x")


def spoil_locks(worktree: Path, run_git: Git) -> None:
    own = Path(run_git(worktree, "rev-parse", "--absolute-git-dir").strip())
    (worktree / "README.md").write_text("dirty")
    for name in ("index.lock", "HEAD.lock", "config.worktree", "MERGE_HEAD"):
        (own / name).write_text("left behind")
    (own / "rebase-merge").mkdir()


def spoil_git_file(worktree: Path, run_git: Git) -> None:
    (worktree / ".git").unlink()
    run_git(worktree, "init", "-q", ".")


def spoil_git_link(worktree: Path, run_git: Git) -> None:
    (worktree / ".git").unlink()
    (worktree / ".git").symlink_to("/etc/hostname")


def spoil_index(worktree: Path, run_git: Git) -> None:
    """The stat cache says that a file is unchanged which is not."""
    path = worktree / "README.md"
    before = path.stat()
    run_git(worktree, "update-index", "--assume-unchanged", "README.md")
    run_git(worktree, "update-index", "--skip-worktree", "src/app.py")
    path.write_bytes(b"X" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (worktree / "src" / "app.py").unlink()


def spoil_attributes(worktree: Path, run_git: Git) -> None:
    (worktree / ".gitattributes").write_text("* text eol=crlf\n")
    (worktree / "src" / ".gitattributes").write_text("* ident\n")
    (worktree / ".gitignore").write_text("!*\n")
    (worktree / "README.md").write_bytes(b"# Project\r\n")


@pytest.mark.req("V1-24")
@pytest.mark.parametrize(
    "spoil",
    [
        spoil_untracked,
        spoil_staged,
        spoil_kinds,
        spoil_branch,
        spoil_merge,
        spoil_nested,
        spoil_locks,
        spoil_git_file,
        spoil_git_link,
        spoil_index,
        spoil_attributes,
    ],
)
@pytest.mark.usefixtures("writer")
def test_whatever_an_agent_left_is_gone(
    fixture: Fixture, worktree: Path, run_git: Git, spoil: Callable[[Path, Git], None]
) -> None:
    commit = next_commit(fixture)
    spoil(worktree, run_git)
    reset_to_commit(fixture.project, worktree, commit)
    assert_exact(fixture, worktree, commit, run_git)


def test_a_link_in_place_of_a_folder_is_not_followed(
    fixture: Fixture, worktree: Path, run_git: Git, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("keep")
    (outside / "app.py").write_text("keep")
    for path in (worktree / "src" / "lib" / "words.txt", worktree / "src" / "app.py"):
        path.unlink()
    (worktree / "src" / "lib").rmdir()
    (worktree / "src").rmdir()
    (worktree / "src").symlink_to(outside)
    (worktree / "link").symlink_to(outside)
    reset_to_commit(fixture.project, worktree, fixture.tip())
    assert_exact(fixture, worktree, fixture.tip(), run_git)
    assert {path.name: path.read_text() for path in outside.iterdir()} == {
        "precious": "keep",
        "app.py": "keep",
    }


@pytest.mark.parametrize("same", [True, False])
def test_a_hard_link_is_not_written_through(
    fixture: Fixture, worktree: Path, run_git: Git, tmp_path: Path, same: bool
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("# Project\n" if same else "precious")
    (worktree / "README.md").unlink()
    (worktree / "README.md").hardlink_to(precious)
    commit = fixture.commit({"README.md": "new\n"})
    reset_to_commit(fixture.project, worktree, fixture.tip())
    assert (worktree / "README.md").stat().st_ino != precious.stat().st_ino
    reset_to_commit(fixture.project, worktree, commit)
    assert precious.read_text() == ("# Project\n" if same else "precious")


def test_folders_without_permissions_are_opened(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    (worktree / "closed" / "inner").mkdir(parents=True)
    (worktree / "closed" / "inner" / "file").write_text("x")
    for path in (
        worktree / "closed" / "inner",
        worktree / "closed",
        worktree / "src" / "lib",
        worktree / "src",
    ):
        path.chmod(0o000)
    worktree.chmod(0o500)
    reset_to_commit(fixture.project, worktree, fixture.tip())
    assert_exact(fixture, worktree, fixture.tip(), run_git)
    assert (worktree / "src" / "lib").stat().st_mode & 0o700 == 0o700


@pytest.mark.slow
def test_folders_deeper_than_a_path_can_be_long(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    handle = os.open(worktree, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=handle)
        below = os.open("deep", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    reset_to_commit(fixture.project, worktree, fixture.tip())
    assert_exact(fixture, worktree, fixture.tip(), run_git)


def test_ignored_files_are_kept_when_they_are_named(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    for name in ("build/cache", "src/kept.log", "gone.log", "unignored/file", "tools/build/x"):
        (worktree / name).parent.mkdir(exist_ok=True)
        (worktree / name).write_text("x")
    (worktree / "link.log").symlink_to("/")
    # What the agent says is ignored does not count.
    (worktree / ".gitignore").write_text("*\n")
    keep = ("build", "src/kept.log", "unignored", "link.log", "README.md")
    reset_to_commit(fixture.project, worktree, next_commit(fixture), keep)
    extra = content(worktree).keys() - fixture.tree(next_commit(fixture)).keys()
    assert extra == {"build/cache", "src/kept.log"}
    assert run_git(worktree, "status", "--porcelain") == ""


def test_a_folder_that_is_kept_may_have_files_of_the_tree_in_it(
    fixture: Fixture, worktree: Path, run_git: Git, tmp_path: Path
) -> None:
    """Hostile ones too: a link in place of the folder or of the file, and a repository inside."""
    rules = "/target/*\n!/target/.gitkeep\nnode_modules\n"
    commit = fixture.commit({".gitignore": rules, "target/.gitkeep": "", "web/app.js": "1\n"})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    for number in range(3):
        reset_to_commit(fixture.project, worktree, commit, ("target", "node_modules"))
        if number:
            assert (worktree / "target/debug/main.o").read_text() == "built"
            assert (worktree / "web/node_modules/lib/.git/HEAD").exists()
            assert not (worktree / "target/link").is_symlink()
        for name in (
            "target/debug/main.o",
            "web/node_modules/lib/index.js",
            "web/node_modules/lib/.git/HEAD",
        ):
            (worktree / name).parent.mkdir(parents=True, exist_ok=True)
            (worktree / name).write_text("built")
        (worktree / "target/link").symlink_to(outside)
        (worktree / "target/.gitkeep").write_text("changed")
        assert (worktree / "target/.gitkeep").lstat().st_nlink == 1
    reset_to_commit(fixture.project, worktree, commit, ("target", "node_modules"))
    assert (worktree / "target/.gitkeep").read_text() == ""
    assert run_git(worktree, "status", "--porcelain") == ""
    shutil.rmtree(worktree / "target")
    (worktree / "target").symlink_to(outside)
    shutil.rmtree(worktree / "web/node_modules")
    (worktree / "web/node_modules").symlink_to(outside)
    reset_to_commit(fixture.project, worktree, commit, ("target", "node_modules"))
    assert not (worktree / "target").is_symlink()
    assert not (worktree / "web/node_modules").is_symlink()
    assert (outside / "mine").read_text() == "mine"
    reset_to_commit(fixture.project, worktree, commit)
    assert_exact(fixture, worktree, commit, run_git)


def test_submodules_are_empty_folders(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    repo = fixture.open()
    index = pygit2.Index()
    index.read_tree(repo[fixture.tip()].peel(pygit2.Tree))
    index.add(pygit2.IndexEntry("modules/sub", pygit2.Oid(hex="1" * 40), FileMode.COMMIT))
    who = pygit2.Signature("A", "a@example.org", 1, 0)
    commit = Oid(str(repo.create_commit(None, who, who, "m", index.write_tree(repo), [])))
    for spoil in ("", "modules", "modules/sub"):
        if spoil:
            (worktree / "modules/sub").rmdir()
        if spoil == "modules":
            (worktree / "modules").rmdir()
            (worktree / "modules").write_text("x")
        elif spoil:
            (worktree / "modules/sub/.git").mkdir(parents=True)
            (worktree / "modules/sub/file").write_text("x")
        reset_to_commit(fixture.project, worktree, commit)
        assert content(worktree)["modules/sub"] == (FileMode.TREE, b"")
        assert run_git(worktree, "status", "--porcelain") == ""


def test_line_ends_are_as_the_trees_attributes_say(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    commit = fixture.commit({".gitattributes": "*.txt text eol=crlf\n", "a.txt": "1\n2\n", "b": "1\n"})
    for _ in range(2):
        reset_to_commit(fixture.project, worktree, commit)
        assert (worktree / "a.txt").read_bytes() == b"1\r\n2\r\n"
        assert (worktree / "b").read_bytes() == b"1\n"
        assert run_git(worktree, "status", "--porcelain", "--ignored") == ""
        (worktree / "a.txt").write_bytes(b"1\n2\n")
        (worktree / ".gitattributes").write_text("")
    reset_to_commit(fixture.project, worktree, fixture.tip())
    assert_exact(fixture, worktree, fixture.tip(), run_git)


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize(
    "setting",
    ["[core]\n\tautocrlf = true\n", '[includeIf "gitdir:**/worktrees/**"]\n\tpath = crlf\n'],
    ids=["plain", "included for worktrees alone"],
)
def test_line_ends_are_as_the_repositorys_settings_say(
    fixture: Fixture, worktree: Path, setting: str
) -> None:
    git_dir = fixture.project.git_dir
    (git_dir / "crlf").write_text("[core]\n\tautocrlf = true\n")
    with (git_dir / "config").open("a") as config:
        config.write(setting)
    reset_to_commit(fixture.project, worktree, fixture.commit({"a.txt": "1\n2\n"}))
    assert (worktree / "a.txt").read_bytes() == b"1\r\n2\r\n"


@pytest.mark.usefixtures("writer")
def test_a_setting_whose_name_is_not_text_is_in_nobodys_way(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    with (fixture.project.git_dir / "config").open("ab") as config:
        config.write(b'[branch "caf\xe9"]\n\tremote = origin\n')
    commit = next_commit(fixture)
    reset_to_commit(fixture.project, worktree, commit)
    assert_exact(fixture, worktree, commit, run_git)


@pytest.mark.usefixtures("writer")
def test_names_that_the_repositorys_settings_allow_are_written(fixture: Fixture, worktree: Path) -> None:
    """Of those that `core.protectNTFS` refuses as long as nobody sets it."""
    fixture.open().config["core.protectNTFS"] = False
    repo = fixture.open()
    builder = repo.TreeBuilder(repo[fixture.tip()].peel(pygit2.Tree))
    builder.insert("git~1", repo.create_blob(b"new\n"), FileMode.BLOB)
    who = pygit2.Signature("a", "a@localhost")
    commit = Oid(str(repo.create_commit(None, who, who, "names", builder.write(), [fixture.tip()])))
    reset_to_commit(fixture.project, worktree, commit)
    assert (worktree / "git~1").read_bytes() == b"new\n"


@pytest.mark.usefixtures("writer")
def test_line_ends_that_git_would_take_for_the_right_ones_are_not_left(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    """Cleaned, each of these is what the tree has; a fresh checkout is another."""
    files = {".gitattributes": "* text=auto\n*.bat eol=crlf\n", "unix.txt": "1\n2\n", "new.bat": "1\n2\n"}
    commit = fixture.commit(files)
    (worktree / "unix.txt").write_bytes(b"1\r\n2\r\n")
    (worktree / "new.bat").write_bytes(b"1\n2\r\n")
    (worktree / ".gitattributes").write_bytes(b"* -text\n")
    reset_to_commit(fixture.project, worktree, commit)
    assert (worktree / "unix.txt").read_bytes() == b"1\n2\n"
    assert (worktree / "new.bat").read_bytes() == b"1\r\n2\r\n"


def test_what_is_as_it_should_be_is_not_written_again(fixture: Fixture, worktree: Path) -> None:
    before = {name: (worktree / name).lstat() for name in ("src/lib/words.txt", "tools/run.sh", "latest")}
    reset_to_commit(fixture.project, worktree, fixture.commit({"src/app.py": "changed\n"}))
    assert all((worktree / name).lstat().st_ctime_ns == stat.st_ctime_ns for name, stat in before.items())


def test_nor_is_a_text_file_whose_line_ends_are_right(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    files: dict[str, str | bytes | tuple[str, str] | None] = {
        "a.txt": "1\n2\n",
        "crlf": "1\r\n",
        "bin": b"\0\r\n",
        "id.txt": "$Id$\n",
        "c.txt": "1\n",
    }
    rules = "* text=auto\nid.txt ident\nc.txt eol=crlf\n"
    commit = fixture.commit({".gitattributes": rules, **files})
    reset_to_commit(fixture.project, worktree, commit)
    written = {name: (worktree / name).read_bytes() for name in files}
    assert written["c.txt"] == b"1\r\n"
    assert written["bin"] == b"\0\r\n"
    assert written["id.txt"].startswith(b"$Id: ")
    (worktree / "id.txt").write_text("$Id$\n")  # as it is stored, and not as it is checked out
    before = {name: (worktree / name).stat().st_ctime_ns for name in ("a.txt", "crlf")}

    reset_to_commit(fixture.project, worktree, commit)

    assert {name: (worktree / name).read_bytes() for name in files} == written
    assert all((worktree / name).stat().st_ctime_ns == time for name, time in before.items())
    assert run_git(worktree, "status", "--porcelain", "--ignored") == ""


def test_file_names_need_not_be_utf8(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    repo = fixture.open()
    inner = repo.write(ObjectType.TREE, b"100644 caf\xe9\0" + repo.create_blob(b"one").raw)
    tree = repo.write(ObjectType.TREE, b"40000 d\xff\0" + inner.raw)
    who = pygit2.Signature("A", "a@example.org", 1, 0)
    commit = Oid(str(repo.create_commit(None, who, who, "m", tree, [])))
    for text in ("", "changed"):
        if text:
            Path(os.fsdecode(os.fsencode(worktree) + b"/d\xff/caf\xe9")).write_text(text)
        reset_to_commit(fixture.project, worktree, commit)
        assert content(worktree) == {"d\udcff/caf\udce9": (FileMode.BLOB, b"one")}
        assert run_git(worktree, "status", "--porcelain", "--ignored") == ""


@pytest.mark.parametrize("name", [b".git", b"..", b".GIT"])
def test_a_tree_that_no_checkout_may_have_is_refused(fixture: Fixture, worktree: Path, name: bytes) -> None:
    repo = fixture.open()
    inner = repo.write(ObjectType.TREE, b"100644 config\0" + repo.create_blob(b"evil").raw)
    tree = repo.write(ObjectType.TREE, b"40000 " + name + b"\0" + inner.raw)
    who = pygit2.Signature("A", "a@example.org", 1, 0)
    commit = Oid(str(repo.create_commit(None, who, who, "m", tree, [])))
    before = content(worktree)
    with pytest.raises(UnsafeTree):
        reset_to_commit(fixture.project, worktree, commit)
    assert content(worktree) == before


def test_the_users_folders_are_never_reset(
    fixture: Fixture, worktree: Path, run_git: Git, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    run_git(fixture.root, "worktree", "add", "-q", "-b", "topic", str(theirs))
    (theirs / "work").write_text("precious")
    link = fixture.project.worktrees_dir / "tickets" / "0002-y"
    link.symlink_to(theirs)
    unknown = fixture.project.worktrees_dir / "tickets" / "0003-z"
    unknown.mkdir()
    for path in (
        theirs,
        fixture.root,
        link,
        unknown,
        fixture.project.worktrees_dir / "tickets" / "0004-gone",
    ):
        with pytest.raises(WorktreeBroken):
            reset_to_commit(fixture.project, path, fixture.tip())
    assert (theirs / "work").read_text() == "precious"
    assert (fixture.root / "README.md").exists()


def test_settings_that_make_a_checkout_inexact_are_found_out(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    run_git(worktree, "config", "core.symlinks", "false")
    (worktree / "latest").unlink()
    with pytest.raises(WorktreeBroken, match="latest"):
        reset_to_commit(fixture.project, worktree, fixture.tip())


def test_a_crash_in_the_middle_is_made_good_by_the_next_reset(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    trash = worktree / ".scriptorium-trash-abc"
    (trash / "1" / "left").mkdir(parents=True)
    own = Path(run_git(worktree, "rev-parse", "--absolute-git-dir").strip())
    (own / "HEAD.scriptorium").write_text("half")
    (own / "index").unlink()
    reset_to_commit(fixture.project, worktree, fixture.tip())
    assert_exact(fixture, worktree, fixture.tip(), run_git)
