"""A pack is git's to delete only when a ref has had the chance to have what is in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from scriptorium.plan.keeping import Keep, sweep
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.pack import ObjectKind
from scriptorium.plan.refs import PLAN_REF, compare_and_swap
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


def test_of_two_writers_of_a_pack_the_last_takes_the_keep_away(tmp_path: Path) -> None:
    path = tmp_path / "scriptorium-x.keep"
    first, second = Keep.of(path), Keep.of(path)
    first.let_go()
    assert path.exists()
    sweep(path)
    assert path.exists()
    second.let_go()
    assert not path.exists()
    sweep(path)


def test_a_keep_of_a_writer_that_was_killed_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "scriptorium-x.keep"
    living = Keep.of(path)
    left = path.read_bytes()
    living.let_go()
    for content, has_pack, goes in (
        (left, True, True),
        (b"", False, True),
        (b"", True, False),
        (b"mine", False, False),
    ):
        path.write_bytes(content)
        path.with_suffix(".pack").unlink(missing_ok=True)
        if has_pack:
            path.with_suffix(".pack").touch()
        sweep(path)
        assert path.exists() != goes, (content, has_pack)
