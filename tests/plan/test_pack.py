"""What is packed here, git and libgit2 read; trees are as libgit2 makes them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pygit2.enums import FileMode, ObjectType

from scriptorium.plan import objects as objects_module
from scriptorium.plan.edits import Edits, write_tree
from scriptorium.plan.ids import Oid
from scriptorium.plan.message import Kind, Message
from scriptorium.plan.objects import LOOKS, GitObjects, ObjectMissing, TooLarge
from scriptorium.plan.pack import NewObject, ObjectKind, encode, write
from scriptorium.plan.staging import StagedObjects

SIZES = (0, 1, 15, 16, 2047, 2048, 300_000)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=5).filter(
    lambda name: name not in {".", "..", ".git"} and not name.lower().startswith((".git", "git~"))
)
QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    return Path(pygit2.init_repository(str(tmp_path / "r"), bare=True).path)


def git(git_dir: Path, *words: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "--git-dir", str(git_dir), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout


def packed(git_dir: Path) -> Path:
    return git_dir / "objects" / "pack"


@pytest.mark.parametrize("durable", [False, True])
def test_git_reads_what_was_packed(git_dir: Path, *, durable: bool) -> None:
    blobs = [NewObject(ObjectKind.BLOB, os.urandom(size)) for size in SIZES]
    pack = encode(blobs)
    write(pack, packed(git_dir), durable=durable)
    git(git_dir, "verify-pack", str(packed(git_dir) / f"{pack.name}.idx"))
    git(
        git_dir,
        "index-pack",
        "--strict",
        "-o",
        str(git_dir / "i"),
        str(packed(git_dir) / f"{pack.name}.pack"),
    )
    assert (git_dir / "i").read_bytes() == pack.index
    repo = pygit2.Repository(str(git_dir))
    for blob in blobs:
        assert repo.odb.read(blob.oid) == (ObjectType.BLOB, blob.data)


def test_many_objects_make_a_sorted_index(git_dir: Path) -> None:
    blobs = [NewObject(ObjectKind.BLOB, b"%d" % number) for number in range(1000)]
    write(encode(blobs), packed(git_dir), durable=False)
    repo = pygit2.Repository(str(git_dir))
    assert all(blob.oid in repo for blob in blobs)
    assert "0" * 40 not in repo


def test_no_two_packs_have_one_name(git_dir: Path) -> None:
    for _ in range(2):
        write(encode([NewObject(ObjectKind.BLOB, b"text")]), packed(git_dir), durable=False)
    assert len(list(packed(git_dir).iterdir())) == 4


def test_what_a_kill_left_on_its_way_is_written_over(git_dir: Path) -> None:
    pack = encode([NewObject(ObjectKind.BLOB, b"text")])
    (packed(git_dir) / f"tmp_{os.getpid()}_{pack.name}.pack").write_bytes(
        b"half a pack that is longer than ours" * 9
    )
    precious = git_dir / "precious"
    precious.write_text("of another\n")
    (packed(git_dir) / f"tmp_{os.getpid()}_{pack.name}.idx").hardlink_to(precious)
    write(pack, packed(git_dir), durable=False)
    assert precious.read_text() == "of another\n"
    git(git_dir, "fsck", "--strict")
    assert sorted(path.suffix for path in packed(git_dir).iterdir()) == [".idx", ".pack"]


def test_what_git_takes_on_its_way_is_written_again(git_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git gc --prune=now` removes what begins with `tmp_`, and the folder when nothing is in it."""
    rename, tries = os.replace, iter(["folder too", "file", "left", "file", "left"])

    def replace(new: str, place: str) -> None:
        taken = next(tries)
        if taken != "left":
            Path(new).unlink()
        if taken == "folder too":
            packed(git_dir).rmdir()
        rename(new, place)

    monkeypatch.setattr(os, "replace", replace)
    blob = NewObject(ObjectKind.BLOB, b"text")
    write(encode([blob]), packed(git_dir), durable=True)
    assert blob.oid in pygit2.Repository(str(git_dir))
    assert sorted(path.suffix for path in packed(git_dir).iterdir()) == [".idx", ".pack"]


def test_a_repository_that_is_gone_is_not_made_again(git_dir: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(encode([NewObject(ObjectKind.BLOB, b"text")]), git_dir / "gone" / "pack", durable=False)
    assert not (git_dir / "gone").exists()


@QUIET
@given(
    before=st.dictionaries(
        NAMES, st.text(max_size=3) | st.dictionaries(NAMES, st.text(max_size=3), min_size=1)
    ),
    after=st.dictionaries(st.tuples(NAMES, NAMES | st.none()), st.text(max_size=3) | st.none()),
)
@example(before={"a": {"x": ""}, "a.b": "", "a0": ""}, after={("a-", None): "1", ("a", "y"): "2"})
def test_trees_are_as_libgit2_makes_them(
    git_dir: Path,
    before: Mapping[str, str | Mapping[str, str]],
    after: Mapping[tuple[str, str | None], str | None],
) -> None:
    repo = pygit2.Repository(str(git_dir))
    files = dict(flattened(before))
    root = by_libgit2(repo, files)
    changes: dict[str, str | None] = {}
    for (name, within), text in after.items():
        path = name if within is None else f"{name}/{within}"
        if not any(clashes(path, other) for other in (*files, *changes)):
            changes[path] = text
    writes = {path: text for path, text in changes.items() if text is not None}
    removes = frozenset(path for path in changes if path not in writes)
    objects = StagedObjects(git_dir, GitObjects(git_dir))
    made = write_tree(objects, root, Edits(Message(Kind.UPDATE_SPEC), writes, removes))
    objects.write()
    left = {path: text for path, text in {**files, **writes}.items() if path not in removes}
    assert made == by_libgit2(repo, left)


def flattened(tree: Mapping[str, str | Mapping[str, str]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, inside in tree.items():
        if isinstance(inside, str):
            found.append((name, inside))
        else:
            found += [(f"{name}/{below}", text) for below, text in inside.items()]
    return found


def clashes(one: str, other: str) -> bool:
    """Whether a file at one path and a file at the other cannot both be."""
    return one != other and (f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/"))


def by_libgit2(repo: pygit2.Repository, files: Mapping[str, str]) -> Oid:
    root = repo.TreeBuilder()
    folders: dict[str, pygit2.TreeBuilder] = {}
    for path, text in files.items():
        name, slash, within = path.partition("/")
        builder = folders.setdefault(name, repo.TreeBuilder()) if slash else root
        builder.insert(within or name, repo.create_blob(text.encode()), FileMode.BLOB)
    for name, builder in folders.items():
        root.insert(name, builder.write(), FileMode.TREE)
    return Oid(str(root.write()))


def test_what_is_staged_is_read_before_it_is_written_and_gone_when_discarded(git_dir: Path) -> None:
    objects = StagedObjects(git_dir, GitObjects(git_dir))
    blob = objects.stage(ObjectKind.BLOB, b"text")
    tree = objects.stage(ObjectKind.TREE, b"100644 a\0" + bytes.fromhex(blob))
    assert objects.blob(blob, 4) == b"text"
    assert [(entry.name, entry.oid) for entry in objects.tree(tree)] == [("a", blob)]
    with pytest.raises(TooLarge):
        objects.blob(blob, 3)
    with pytest.raises(ObjectMissing):
        objects.tree(blob)
    with pytest.raises(ObjectMissing):
        objects.blob(tree, 100)
    objects.discard()
    with pytest.raises(ObjectMissing):
        objects.blob(blob, 4)
    assert list(packed(git_dir).iterdir()) == []


def test_the_folder_of_packs_is_made_when_git_removed_it(git_dir: Path) -> None:
    packed(git_dir).rmdir()
    objects = StagedObjects(git_dir, GitObjects(git_dir))
    blob = objects.stage(ObjectKind.BLOB, b"text")
    objects.write()
    assert git(git_dir, "cat-file", "blob", blob) == "text"


@pytest.mark.parametrize("times", [1, LOOKS - 1, LOOKS])
def test_an_object_that_is_missed_is_looked_for_in_the_repository_opened_afresh(
    git_dir: Path, tmp_path: Path, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when packs are rolled up again and again between libgit2's list of them and its look."""
    repo = pygit2.Repository(str(git_dir))
    blob = Oid(str(repo.create_blob(b"text")))
    without = pygit2.init_repository(str(tmp_path / "without"), bare=True)
    opened = iter([without] * times + [repo])
    monkeypatch.setattr(objects_module, "open_repository", lambda _git_dir: next(opened))
    objects = GitObjects(git_dir)
    if times < LOOKS:
        assert objects.blob(blob, 10) == b"text"
    else:
        with pytest.raises(ObjectMissing):
            objects.blob(blob, 10)
