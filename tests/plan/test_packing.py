"""Small packs are rolled up beside whoever reads or writes, and no object is ever out of reach."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.plan.ids import Oid
from scriptorium.plan.pack import NewObject, ObjectKind, encode, write
from scriptorium.plan.packing import FACTOR, PACKS, PackDamaged, packs_to_roll, roll_up
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec

from .plans import Plan


def packs(git_dir: Path) -> list[Path]:
    return sorted((git_dir / "objects" / "pack").glob("*.idx"))


def fill(git_dir: Path, number: int, start: int = 0) -> list[Oid]:
    found: list[Oid] = []
    for pack in range(start, start + number):
        blobs = [NewObject(ObjectKind.BLOB, b"%d of %d" % (blob, pack)) for blob in range(3)]
        write(encode(blobs), git_dir / "objects" / "pack", durable=False)
        found += [blob.oid for blob in blobs]
    return found


def fsck(git_dir: Path) -> None:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "--git-dir", str(git_dir), "fsck", "--strict"]
    assert "error" not in subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stderr


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    return Path(pygit2.init_repository(str(tmp_path / "r"), bare=True).path)


@given(st.lists(st.integers(1, 1000)).map(sorted))
def test_what_stays_and_what_is_made_grow_by_the_factor(objects: list[int]) -> None:
    split = packs_to_roll(objects)
    assert 0 <= split <= len(objects)
    left = [sum(objects[:split]), *objects[split:]] if split else objects
    for place in range(1, len(left)):
        assert left[place] >= FACTOR * sum(left[:place])


@given(st.lists(st.integers(1, 1000)).map(sorted))
def test_nothing_is_rolled_up_when_all_is_well(objects: list[int]) -> None:
    well = all(objects[place] >= FACTOR * sum(objects[:place]) for place in range(1, len(objects)))
    assert (packs_to_roll(objects) == 0) == well


def test_few_packs_are_left_alone(git_dir: Path) -> None:
    fill(git_dir, PACKS)
    assert roll_up(git_dir) == 0
    assert len(packs(git_dir)) == PACKS


def test_many_become_one_with_every_object(git_dir: Path) -> None:
    objects = fill(git_dir, PACKS + 1)
    before = pygit2.Repository(str(git_dir))
    assert objects[0] in before
    assert roll_up(git_dir) == PACKS + 1
    assert len(packs(git_dir)) == 1
    fsck(git_dir)
    for repo in (before, pygit2.Repository(str(git_dir))):
        assert all(oid in repo and repo.odb.read(oid) for oid in objects)


def test_a_large_pack_stays_while_the_small_ones_are_rolled_up(git_dir: Path) -> None:
    fill(git_dir, 200)
    roll_up(git_dir)
    (large,) = packs(git_dir)
    fill(git_dir, PACKS, start=200)
    assert roll_up(git_dir) == PACKS
    assert large in packs(git_dir)
    assert len(packs(git_dir)) == 2


def test_packs_of_others_and_kept_ones_are_not_touched(git_dir: Path) -> None:
    fill(git_dir, PACKS)
    kept = packs(git_dir)[0].with_suffix(".keep")
    kept.touch()
    theirs = encode([NewObject(ObjectKind.BLOB, b"theirs")])
    for suffix, content in ((".pack", theirs.pack), (".idx", theirs.index)):
        name = theirs.name.replace("scriptorium", "pack")
        (git_dir / "objects" / "pack" / f"{name}{suffix}").write_bytes(content)
    fill(git_dir, 1, start=PACKS)
    assert roll_up(git_dir) == PACKS
    names = [path.name for path in packs(git_dir)]
    assert kept.with_suffix(".idx").name in names
    assert theirs.name.replace("scriptorium", "pack") + ".idx" in names
    assert len(names) == 3


@pytest.mark.slow
def test_git_gc_and_a_multi_pack_index_are_no_trouble(git_dir: Path) -> None:
    objects = fill(git_dir, PACKS)
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "--git-dir", str(git_dir), "multi-pack-index", "write"]
    subprocess.run(argv, check=True, capture_output=True, env=env)
    objects += fill(git_dir, 1, start=PACKS)
    assert roll_up(git_dir) == PACKS + 1
    repo = pygit2.Repository(str(git_dir))
    for oid in objects:
        assert oid in repo
        argv = ["git", "--git-dir", str(git_dir), "cat-file", "-e", oid]
        assert subprocess.run(argv, check=False, env=env).returncode == 0
    subprocess.run(["git", "--git-dir", str(git_dir), "gc", "-q"], check=True, env=env)
    fill(git_dir, PACKS + 1, start=50)
    roll_up(git_dir)
    assert all(oid in pygit2.Repository(str(git_dir)) for oid in objects)


def test_while_another_process_rolls_up_nothing_is_done(git_dir: Path) -> None:
    fill(git_dir, PACKS + 1)
    handle = os.open(git_dir / "objects" / "pack", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert roll_up(git_dir) is None
    os.close(handle)
    assert roll_up(git_dir) == PACKS + 1


def test_what_was_not_rolled_up_as_another_process_was_at_it_still_waits(plan: Plan) -> None:
    fill(plan.git_dir, PACKS)
    plan.repository.commit(UpdateSpec("Build it.\n"))
    assert plan.repository.wants_packing
    handle = os.open(plan.git_dir / "objects" / "pack", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    plan.repository.roll_up()
    os.close(handle)
    assert plan.repository.wants_packing
    plan.repository.roll_up()
    assert not plan.repository.wants_packing


def _cut_short(index: Path) -> None:
    index.write_bytes(b"no index at all")


def _promise_too_much(index: Path) -> None:
    head = bytearray(index.read_bytes()[:1032])
    head[-4:] = b"\0\0\0\4"
    index.write_bytes(head)


def _lead_elsewhere(index: Path) -> None:
    index.unlink()
    index.symlink_to("/dev/zero")


def _lose_the_pack(index: Path) -> None:
    index.with_suffix(".pack").unlink()


def _spoil_the_pack(index: Path) -> None:
    pack = index.with_suffix(".pack")
    pack.chmod(0o644)
    content = bytearray(pack.read_bytes())
    content[20:30] = bytes(10)
    pack.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [_cut_short, _promise_too_much, _lead_elsewhere, _lose_the_pack, _spoil_the_pack],
)
def test_a_damaged_pack_is_named_and_the_others_are_rolled_up(
    git_dir: Path, damage: Callable[[Path], None]
) -> None:
    """Else one bad file, which an agent can plant, would let the packs grow in number for ever."""
    objects = fill(git_dir, PACKS + 2)
    damaged = packs(git_dir)[3]
    damaged.chmod(0o644)
    damage(damaged)
    with pytest.raises(PackDamaged, match=damaged.name):
        roll_up(git_dir)
    names = [path.name for path in packs(git_dir)]
    assert damaged.name in names
    assert len(names) == 2
    damaged.unlink()
    assert sum(oid in pygit2.Repository(str(git_dir)) for oid in objects) == 3 * (PACKS + 1)


def test_what_killed_processes_left_is_swept_up_when_it_is_old(git_dir: Path) -> None:
    fill(git_dir, PACKS + 1)
    folder = git_dir / "objects" / "pack"
    left = [f"scriptorium-{'a' * 40}.pack", f"tmp_123_scriptorium-{'b' * 40}.idx"]
    young = [f"scriptorium-{'c' * 40}.pack", f"tmp_123_scriptorium-{'d' * 40}.pack"]
    theirs = [f"pack-{'e' * 40}.pack", "tmp_pack_abcdef"]
    for name in (*left, *young, *theirs):
        (folder / name).write_bytes(b"PACK")
    for name in (*left, *theirs):
        os.utime(folder / name, (0, 0))
    assert roll_up(git_dir) == PACKS + 1
    here = {path.name for path in folder.iterdir()}
    assert here.isdisjoint(left)
    assert here.issuperset((*young, *theirs))


def test_loose_objects_that_killed_processes_left_are_swept_up_wherever_they_are(
    git_dir: Path, tmp_path: Path
) -> None:
    """The agents' git writes in the folder that the object will be in, libgit2 and we above it."""
    objects = fill(git_dir, PACKS + 1)
    place, elsewhere = git_dir / "objects", tmp_path / "elsewhere"
    (place / "5f").mkdir(exist_ok=True)
    elsewhere.mkdir()
    (place / "6f").symlink_to(elsewhere)
    (place / "7f").write_bytes(b"no folder")
    left = [
        place / "maintenance.lock",
        place / "tmp_obj_large",
        place / "tmp_object_git2_abc",
        place / "5f" / "tmp_obj_d9le5a",
    ]
    kept = [place / "5f" / "tmp_obj_young", place / "5f" / "75ca", elsewhere / "tmp_obj_linked"]
    for path in (*left, *kept):
        path.touch()
        if path.name != "tmp_obj_young":
            os.utime(path, (0, 0))
    assert roll_up(git_dir) == PACKS + 1
    assert [path for path in left if path.exists()] == []
    assert all(path.exists() for path in kept)
    assert all(oid in pygit2.Repository(str(git_dir)) for oid in objects)


@pytest.mark.parametrize("step", range(6))
def test_a_crash_at_any_step_loses_nothing_and_the_next_cleans_up(
    git_dir: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = fill(git_dir, PACKS + 1)
    left = step

    class Killed(BaseException):
        """The process is gone."""

    def count(name: str) -> None:
        real = getattr(Path, name)

        def counted(self: Path, *args: object, **kwargs: object) -> object:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Path, name, counted)

    count("replace")
    count("unlink")
    monkeypatch.setattr(shutil, "rmtree", lambda *_args, **_named: None)
    with pytest.raises(Killed):
        roll_up(git_dir)
    monkeypatch.undo()
    fsck(git_dir)
    assert all(oid in pygit2.Repository(str(git_dir)) for oid in objects)
    fill(git_dir, PACKS + 1, start=100)
    assert (roll_up(git_dir) or 0) > 1
    assert not list((git_dir / "objects" / "pack").glob("tmp_*"))
    assert all(oid in pygit2.Repository(str(git_dir)) for oid in objects)


@pytest.mark.slow
def test_beside_a_writer_and_a_reader(plan: Plan) -> None:
    repository = PlanRepository(plan.git_dir)
    reader = PlanRepository(plan.git_dir)
    done = threading.Event()
    failed: list[Exception] = []
    rolled: list[int] = []

    def roll() -> None:
        try:
            while not done.is_set():
                rolled.append(roll_up(plan.git_dir, packs=4) or 0)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=roll)
    thread.start()
    try:
        for number in range(150):
            repository.commit(UpdateSpec(f"# Version {number}\n"))
            spec = reader.read().spec
            assert spec is not None
            assert spec.text == f"# Version {number}\n"
    finally:
        done.set()
        thread.join()
    assert failed == []
    assert any(rolled)
    fsck(plan.git_dir)
    roll_up(plan.git_dir, packs=4)  # the writer may have been the quicker one at the end
    assert len(packs(plan.git_dir)) < PACKS


def test_a_repository_says_when_a_look_is_worth_it(plan: Plan) -> None:
    repository = PlanRepository(plan.git_dir)
    said = [repository.wants_packing]
    repository.roll_up()
    said.append(repository.wants_packing)
    for number in range(PACKS):
        repository.commit(UpdateSpec(f"# Version {number}\n"))
    said.append(repository.wants_packing)
    assert said == [True, False, True], "at first nobody knows what was there before"
    repository.roll_up()
    assert len(packs(plan.git_dir)) < PACKS
