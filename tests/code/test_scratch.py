"""The scratch folder of a planner: what gets out of it, and what does not."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pygit2
import pytest
from attrs import evolve
from pygit2.enums import FileMode

from scriptorium.code import scratch
from scriptorium.code.scratch import Scratch, discard, discard_all, export, read_back
from scriptorium.plan.ids import Oid

FILES = {"spec.md": b"# Spec\n", "areas/core.md": b"The core.\n", "tickets/open/.gitkeep": b""}


def commit_of(git_dir: Path, files: dict[str, bytes], links: dict[str, bytes] | None = None) -> Oid:
    """A commit of these files, in a repository that is made when it is not there."""
    repo = pygit2.init_repository(str(git_dir), bare=True)
    index = pygit2.Index()
    for path, content in files.items():
        index.add(pygit2.IndexEntry(path, repo.create_blob(content), FileMode.BLOB))
    for path, target in (links or {}).items():
        index.add(pygit2.IndexEntry(path, repo.create_blob(target), FileMode.LINK))
    return commit(repo, str(index.write_tree(repo)))


def commit(repo: pygit2.Repository, tree: str) -> Oid:
    who = pygit2.Signature("x", "x@localhost", 1_700_000_000, 0)
    return Oid(str(repo.create_commit(None, who, who, "plan", pygit2.Oid(hex=tree), [])))


@pytest.fixture
def made(tmp_path: Path) -> Scratch:
    """An exported plan."""
    git_dir = tmp_path / "repo.git"
    return export(git_dir, commit_of(git_dir, FILES), tmp_path / "scratch" / "one")


def test_an_export_is_the_plan_as_plain_files_beside_an_empty_repository(made: Scratch) -> None:
    found = {
        str(path.relative_to(made.root)): path.read_bytes()
        for path in made.root.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(made.root).parts
    }
    assert found == FILES == dict(made.exported)
    assert made.root.stat().st_mode & 0o777 == 0o700
    returned = read_back(made)
    assert not (returned.changed or returned.removed or returned.odd or returned.overfull)


def test_what_changed_is_told_by_path(made: Scratch) -> None:
    (made.root / "spec.md").write_text("# Another\n")
    (made.root / "areas/core.md").unlink()
    (made.root / "areas/docs.md").write_text("The docs.\n")
    (made.root / "tickets/open/.gitkeep").write_bytes(b"")
    returned = read_back(made)
    assert returned.changed == {"spec.md", "areas/docs.md"}
    assert returned.removed == {"areas/core.md"}
    assert returned.files["areas/docs.md"] == b"The docs.\n"


def test_no_link_is_followed_and_no_pipe_is_waited_for(made: Scratch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.md").write_text("secret\n")
    (made.root / "areas/link.md").symlink_to(secret / "key.md")
    (made.root / "outside").symlink_to(secret)
    os.mkfifo(made.root / "areas/pipe.md")
    (made.root / "areas/core.md").unlink()
    (made.root / "areas/core.md").symlink_to("/dev/zero")
    returned = read_back(made)
    assert returned.odd == ("areas/core.md", "areas/link.md", "areas/pipe.md", "outside")
    assert returned.removed == set()
    assert b"secret\n" not in returned.files.values()


def test_a_file_that_is_too_large_is_not_read(made: Scratch) -> None:
    (made.root / "areas/large.md").write_bytes(b"x" * (scratch.FILE_LIMIT_BYTES + 1))
    with (made.root / "areas/huge.md").open("wb") as file:
        file.truncate(1 << 40)
    (made.root / "areas/just.md").write_bytes(b"x" * scratch.FILE_LIMIT_BYTES)
    returned = read_back(made)
    assert returned.odd == ("areas/huge.md", "areas/large.md")
    assert "areas/just.md" in returned.files


def test_a_folder_that_is_too_full_is_not_read_to_its_end(
    made: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "ENTRY_LIMIT", 20)
    for number in range(20):
        (made.root / f"{number}.txt").touch()
    assert read_back(made).overfull


def test_what_is_read_in_all_is_bounded(made: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "TOTAL_LIMIT_BYTES", 10_000)
    for number in range(3):
        (made.root / f"{number}.txt").write_bytes(b"x" * 4_000)
    assert read_back(made).overfull


def test_a_plan_of_any_size_leaves_a_planner_room(made: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "ENTRY_LIMIT", 10)
    monkeypatch.setattr(scratch, "TOTAL_LIMIT_BYTES", 10)
    (made.root / "tickets/done").mkdir()
    for number in range(30):
        (made.root / f"tickets/done/{number}.md").write_bytes(b"x" * 100)
        made = evolve(made, exported={**made.exported, f"tickets/done/{number}.md": b"x" * 100})
    returned = read_back(made)
    assert not returned.overfull
    assert not returned.changed


def test_a_planner_that_made_its_folder_unreadable_or_removed_it_left_nothing(made: Scratch) -> None:
    discard(made.root)
    returned = read_back(made)
    assert not returned.files
    assert returned.removed == set(FILES)


@pytest.mark.req("V1-08")
def test_git_in_a_scratch_folder_never_reaches_the_users_repository(tmp_path: Path) -> None:
    """`git checkout -- :/` in a folder without a repository of its own walks up, and takes work with it."""
    root = tmp_path / "project"
    pygit2.init_repository(str(root), initial_head="main")
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    user = ["git", "-c", "user.name=x", "-c", "user.email=x@localhost"]

    def git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*user, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
        )

    (root / "mine.txt").write_text("committed\n")
    assert git(root, "add", "mine.txt").returncode == 0
    assert git(root, "commit", "-q", "-m", "first").returncode == 0
    (root / "mine.txt").write_text("not committed\n")
    made = export(root / ".git", commit_of(root / ".git", FILES), root / ".scriptorium" / "scratch" / "one")
    for words in (
        ("checkout", "--", ":/"), ("reset", "--hard"), ("clean", "-fdx", ":/"), ("stash", "-u"),
        ("checkout", "main"), ("add", "-A", ":/"), ("commit", "-q", "-m", "by the agent"),
    ):  # fmt: skip
        git(made.root, *words)
    assert git(made.root, "rev-parse", "--show-toplevel").stdout.strip() == str(made.root)
    assert (root / "mine.txt").read_text() == "not committed\n"
    assert git(root, "log", "--format=%s", "--all").stdout == "first\n"


def test_a_plan_with_names_that_lead_out_of_the_folder_is_exported_without_them(tmp_path: Path) -> None:
    """An agent can write any tree object by hand and put the plan branch there."""
    git_dir = tmp_path / "repo.git"
    good = commit_of(git_dir, FILES, links={"areas/link.md": b"/etc/passwd"})
    repo = pygit2.Repository(str(git_dir))
    blob = repo.create_blob(b"planted\n")
    inner = repo.write(pygit2.enums.ObjectType.TREE, b"100644 planted.txt\0" + bytes.fromhex(str(blob)))
    spec = repo[good].peel(pygit2.Tree)["spec.md"].id
    lines = [
        b"40000 ..\0" + bytes.fromhex(str(inner)),
        b"40000 .GIT\0" + bytes.fromhex(str(inner)),
        b"40000 .git\0" + bytes.fromhex(str(inner)),
        b"100644 spec.md\0" + bytes.fromhex(str(spec)),
    ]
    tree = repo.write(pygit2.enums.ObjectType.TREE, b"".join(lines))
    made = export(git_dir, commit(repo, str(tree)), tmp_path / "scratch" / "one")
    assert dict(made.exported) == {"spec.md": b"# Spec\n"}
    assert list(tmp_path.rglob("planted.txt")) == []
    assert "areas/link.md" not in export(git_dir, good, tmp_path / "scratch" / "two").exported


def test_what_cannot_be_a_file_is_left_out_and_the_rest_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One planted name, or one object that is gone, must not end all planning."""
    monkeypatch.setattr(scratch, "EXPORT_LIMIT_BYTES", 100)
    git_dir = tmp_path / "repo.git"
    repo = pygit2.init_repository(str(git_dir), bare=True)
    blobs = {size: bytes.fromhex(str(repo.create_blob(b"x" * size))) for size in (1, 100, 101)}
    no_tree = repo.odb.write(pygit2.enums.ObjectType.TREE, b"no tree\0at all")
    deep = b"100644 deep.md\0" + blobs[1]
    for _ in range(2_000):
        deep = b"40000 deeper\0" + bytes.fromhex(str(repo.odb.write(pygit2.enums.ObjectType.TREE, deep)))
    lines = [
        b"100644 a\0" + blobs[1],
        b"40000 a\0" + bytes.fromhex(str(repo.odb.write(pygit2.enums.ObjectType.TREE, deep))),
        b"100644 absent.md\0" + b"\x11" * 20,
        b"40000 absent\0" + b"\x11" * 20,
        b"40000 damaged\0" + bytes.fromhex(str(no_tree)),
        b"100644 just.md\0" + blobs[100],
        b"100644 large.md\0" + blobs[101],
        b"100644 %s.md\0" % (b"long" * 100) + blobs[1],
        b"100644 \xff.md\0" + blobs[1],
    ]
    tree = repo.odb.write(pygit2.enums.ObjectType.TREE, b"".join(lines))
    made = export(git_dir, commit(repo, str(tree)), tmp_path / "scratch" / "one")
    assert set(made.exported) == {"a", "just.md", os.fsdecode(b"\xff.md")}
    assert not read_back(made).changed


def test_a_socket_is_not_read_and_a_large_file_that_was_exported_is(
    made: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "FILE_LIMIT_BYTES", 5)
    descriptor = os.open(made.root, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/fd/{descriptor}/areas/socket.md")  # a path of any length
    os.close(descriptor)
    returned = read_back(made)
    assert returned.odd == ("areas/socket.md",)
    assert returned.files == made.exported
    (made.root / "areas/core.md").write_bytes(b"x" * 11)
    assert read_back(made).odd == ("areas/core.md", "areas/socket.md")


@pytest.mark.slow
def test_whatever_a_planner_left_is_removed(made: Scratch, tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "file").touch()
    (made.root / "link").symlink_to(keep)
    locked = made.root / "locked"
    (locked / "inner").mkdir(parents=True)
    locked.chmod(0)
    here = os.open(made.root, os.O_RDONLY)
    for _ in range(1_200):  # deeper than a recursion, or a path, may be
        os.mkdir("deeper", dir_fd=here)
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    read_back(made)
    discard(made.root)
    assert list(made.root.parent.iterdir()) == []
    assert (keep / "file").exists()


def test_an_export_begins_afresh_and_a_start_clears_all(made: Scratch, tmp_path: Path) -> None:
    (made.root / "left.txt").touch()
    again = export(tmp_path / "repo.git", commit_of(tmp_path / "repo.git", FILES), made.root)
    assert not (again.root / "left.txt").exists()
    folder = made.root.parent
    (folder / "file").touch()
    discard_all(folder)
    assert list(folder.iterdir()) == []
    folder.rmdir()
    discard_all(folder)
    folder.symlink_to(tmp_path / "repo.git")
    discard_all(folder)
    assert not folder.is_symlink()
    assert (tmp_path / "repo.git" / "HEAD").exists()
