"""A pack is git's to delete only when a ref has had the chance to have what is in it."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from scriptorium.plan.keeping import OWN_PREFIX, Keep, sweep, sweep_own
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.pack import ObjectKind
from scriptorium.plan.refs import PLAN_REF, RefLocked, compare_and_swap
from scriptorium.plan.staging import StagedObjects
from scriptorium.plan.transitions import UpdateSpec

from .plans import Plan

HOUSEKEEPING = [("repack", "-a", "-d", "-f", "-q"), ("gc", "-q"), ("gc", "-q", "--prune=now")]


def keeps(plan: Plan) -> list[Path]:
    return list((plan.git_dir / "objects" / "pack").glob("*.keep"))


@pytest.mark.slow
@pytest.mark.req("V1-34")
@pytest.mark.parametrize("words", HOUSEKEEPING)
def test_git_deletes_no_commit_that_is_about_to_be_the_plan(
    plan: Plan, words: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep_house_first(*given: object, **named: object) -> None:
        plan.git(*words)
        compare_and_swap(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("scriptorium.plan.repository.compare_and_swap", keep_house_first)
    for number in range(3):
        made = plan.repository.commit(UpdateSpec(f"Build it {number} times.\n"))
        assert plan.git("rev-parse", PLAN_REF) == made.commit
    assert plan.git("fsck", "--strict", "--no-dangling", "--no-progress") == ""
    assert keeps(plan) == []


@pytest.mark.slow
def test_git_sees_no_pack_before_its_keep(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git lists what ends in .pack, and knows only those with an index: between the two it would be lost."""
    seen: list[set[str]] = []
    replace = os.replace

    def look(new: str, name: str) -> None:
        replace(new, name)
        target = Path(name)
        seen.append({path.suffix for path in target.parent.glob(f"{target.stem}.*")})

    monkeypatch.setattr(os, "replace", look)
    plan.repository.commit(UpdateSpec("Build it.\n"))
    assert seen == [{".keep", ".pack"}, {".keep", ".pack", ".idx"}]


@pytest.mark.slow
def test_what_is_let_go_is_gits(plan: Plan) -> None:
    objects = StagedObjects(plan.git_dir, GitObjects(plan.git_dir))
    oid = objects.stage(ObjectKind.BLOB, b"nobody's")
    objects.write()
    plan.git("gc", "-q", "--prune=now")
    assert plan.git("cat-file", "-t", oid) == "blob"
    objects.let_go()
    objects.let_go()
    plan.git("gc", "-q", "--prune=now")
    assert oid not in plan.git("cat-file", "--batch-all-objects", "--batch-check")


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    (tmp_path / "objects" / "pack").mkdir(parents=True)
    return tmp_path


def names(git_dir: Path) -> set[str]:
    return {path.name for path in (git_dir / "objects" / "pack").iterdir()}


def own_files(git_dir: Path) -> set[Path]:
    return set((git_dir / "objects").glob(f"{OWN_PREFIX}*"))


def test_a_keep_stays_until_it_is_let_go(git_dir: Path) -> None:
    first, second = Keep.of(git_dir, "scriptorium-x"), Keep.of(git_dir, "scriptorium-y")
    both = {"scriptorium-x.keep", "scriptorium-y.keep"}
    assert names(git_dir) == both
    for name in both:
        sweep(git_dir / "objects" / "pack" / name)
    assert names(git_dir) == both
    first.let_go()
    assert names(git_dir) == {"scriptorium-y.keep"}
    second.let_go()
    assert names(git_dir) == set()


def test_what_a_second_try_writes_is_another_pack(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git may have listed the first one's as its to delete, and would believe the keep of the second."""
    written: list[set[str]] = []

    def locked_at_first(*given: object, **named: object) -> None:
        written.append({keep.stem for keep in keeps(plan)})
        if len(written) == 1:
            raise RefLocked(PLAN_REF, plan.git_dir / f"{PLAN_REF}.lock")
        compare_and_swap(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("scriptorium.plan.repository.compare_and_swap", locked_at_first)
    plan.repository.commit(UpdateSpec("Build it.\n"))
    first, second = written
    assert len(first) == len(second) == 1
    assert first.isdisjoint(second)


def test_a_process_has_one_file_for_all_its_keeps(git_dir: Path) -> None:
    keeps = [Keep.of(git_dir, f"scriptorium-{number}") for number in range(3)]
    (own,) = own_files(git_dir)
    paths = [git_dir / "objects" / "pack" / name for name in names(git_dir)]
    assert {path.stat().st_ino for path in paths} == {own.stat().st_ino}
    sweep_own(git_dir)
    assert own.exists()
    for keep in keeps:
        keep.let_go()
    again = Keep.of(git_dir, "scriptorium-x")
    assert own.stat().st_nlink == 2
    again.let_go()


@pytest.mark.parametrize("fault", ["gone", "gone while it is held", "written to"])
def test_a_file_that_somebody_meddled_with_is_made_anew(git_dir: Path, fault: str) -> None:
    held = Keep.of(git_dir, "scriptorium-x")
    (own,) = own_files(git_dir)
    if fault == "gone":
        held.let_go()
    if fault == "written to":
        own.write_bytes(b"mine")
    else:
        own.unlink()
    Keep.of(git_dir, "scriptorium-y")
    assert (git_dir / "objects" / "pack" / "scriptorium-y.keep").read_bytes().startswith(b"scriptorium has")


def test_what_is_not_a_keep_of_ours_stays(git_dir: Path) -> None:
    link = git_dir / "objects" / "pack" / "scriptorium-x.keep"
    link.symlink_to("nowhere")
    with pytest.raises(OSError, match="symbolic links"):
        sweep(link)
    with pytest.raises(FileExistsError):
        Keep.of(git_dir, "scriptorium-x")
    assert link.is_symlink()


def test_without_hard_links_each_keep_is_a_file(git_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(_source: str, _target: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    first, second = Keep.of(git_dir, "scriptorium-x"), Keep.of(git_dir, "scriptorium-y")
    for name in names(git_dir):
        path = git_dir / "objects" / "pack" / name
        assert path.stat().st_nlink == 1
        sweep(path)
        assert path.exists()
    first.let_go()
    second.let_go()
    assert names(git_dir) == set()


# Python 3.12 warns of threads, of which the child needs none.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_was_forked_leaves_its_parents_file_alone(git_dir: Path) -> None:
    held = Keep.of(git_dir, "scriptorium-x")
    before = own_files(git_dir)
    child = os.fork()
    if child == 0:
        try:
            Keep.of(git_dir, "scriptorium-y")
        finally:
            os._exit(0)  # as one that is killed: it clears nothing away
    os.waitpid(child, 0)
    (left,) = own_files(git_dir) - before
    sweep_own(git_dir)
    sweep(git_dir / "objects" / "pack" / "scriptorium-x.keep")
    sweep(git_dir / "objects" / "pack" / "scriptorium-y.keep")
    assert not left.exists()
    assert own_files(git_dir) == before
    assert names(git_dir) == {"scriptorium-x.keep"}
    held.let_go()


def test_a_keep_of_a_writer_that_was_killed_is_swept(git_dir: Path) -> None:
    path = git_dir / "objects" / "pack" / "scriptorium-x.keep"
    living = Keep.of(git_dir, "scriptorium-x")
    left = path.read_bytes()
    living.let_go()
    for content, has_pack, goes in (
        (left, True, True),
        (b"", False, True),
        (b"", True, False),
        (b"mine", False, False),
    ):
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        path.with_suffix(".pack").unlink(missing_ok=True)
        if has_pack:
            path.with_suffix(".pack").touch()
        sweep(path)
        assert path.exists() != goes, (content, has_pack)
