"""Refs move by compare-and-swap, and what is said about the outcome is true."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygit2
import pytest

from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import RefError, RefLocked, RefMoved, compare_and_swap, delete_ref, read_ref

WHO = pygit2.Signature("A Person", "person@example.org", 1_700_000_000, 0)
NAME = "refs/heads/work/one"


@pytest.fixture
def repo(tmp_path: Path) -> pygit2.Repository:
    return pygit2.init_repository(str(tmp_path / "bare"), bare=True)


@pytest.fixture
def commits(repo: pygit2.Repository) -> list[Oid]:
    tree = repo.TreeBuilder().write()
    return [Oid(str(repo.create_commit(None, WHO, WHO, text, tree, []))) for text in ("a", "b", "c")]


class FailsAfterTheFact:
    """A repository whose ref updates take place and then raise, as when a directory cannot be synced."""

    def __init__(self, repo: pygit2.Repository) -> None:
        self._repo = repo
        self.path = repo.path

    def __contains__(self, oid: Oid) -> bool:
        return oid in self._repo

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Any]:
        with self._repo.transaction() as transaction:
            yield transaction
        raise OSError("could not fsync the parent directory")

    def lookup_reference(self, name: str) -> Any:
        repo = self._repo

        class Reference:
            type = repo.lookup_reference(name).type
            target = repo.lookup_reference(name).target

            def delete(self) -> None:
                repo.lookup_reference(name).delete()
                raise OSError("could not fsync the parent directory")

        return Reference()


def test_a_ref_is_created_moved_and_deleted(repo: pygit2.Repository, commits: list[Oid]) -> None:
    first, second, _ = commits
    assert read_ref(repo, NAME) is None
    compare_and_swap(repo, NAME, new=first, old=None)
    assert read_ref(repo, NAME) == first
    compare_and_swap(repo, NAME, new=second, old=first)
    assert read_ref(repo, NAME) == second
    delete_ref(repo, NAME, old=second)
    assert read_ref(repo, NAME) is None
    delete_ref(repo, NAME, old=second)


@pytest.mark.parametrize("packed", [False, True])
def test_a_ref_that_moved_is_left_alone(repo: pygit2.Repository, commits: list[Oid], packed: bool) -> None:
    first, second, third = commits
    compare_and_swap(repo, NAME, new=second, old=None)
    if packed:
        repo.references.compress()
    for old in (None, first):
        with pytest.raises(RefMoved) as moved:
            compare_and_swap(repo, NAME, new=third, old=old)
        assert (moved.value.expected, moved.value.tip) == (old, second)
    with pytest.raises(RefMoved):
        delete_ref(repo, NAME, old=first)
    assert read_ref(repo, NAME) == second


def test_a_ref_that_is_gone_has_moved(repo: pygit2.Repository, commits: list[Oid]) -> None:
    with pytest.raises(RefMoved) as moved:
        compare_and_swap(repo, NAME, new=commits[1], old=commits[0])
    assert moved.value.tip is None


@pytest.mark.parametrize("existing", [False, True])
def test_a_held_lock_is_named(repo: pygit2.Repository, commits: list[Oid], existing: bool) -> None:
    old = commits[0] if existing else None
    if existing:
        compare_and_swap(repo, NAME, new=commits[0], old=None)
    lock = Path(repo.path, f"{NAME}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    with pytest.raises(RefLocked) as locked:
        compare_and_swap(repo, NAME, new=commits[1], old=old)
    assert locked.value.path == lock
    assert str(lock) in str(locked.value)
    if existing:
        with pytest.raises(RefLocked):
            delete_ref(repo, NAME, old=commits[0])
    assert read_ref(repo, NAME) == old
    lock.unlink()
    compare_and_swap(repo, NAME, new=commits[1], old=old)


def test_an_error_after_the_ref_moved_is_no_failure(repo: pygit2.Repository, commits: list[Oid]) -> None:
    compare_and_swap(repo, NAME, new=commits[0], old=None)
    failing: Any = FailsAfterTheFact(repo)
    compare_and_swap(failing, NAME, new=commits[1], old=commits[0])
    assert read_ref(repo, NAME) == commits[1]
    delete_ref(failing, NAME, old=commits[1])
    assert read_ref(repo, NAME) is None


def test_a_refusal_is_no_success_though_another_wrote_the_same(
    repo: pygit2.Repository, commits: list[Oid]
) -> None:
    compare_and_swap(repo, NAME, new=commits[0], old=None)

    def another_is_faster() -> bool:
        repo.lookup_reference(NAME).set_target(commits[1], "another")
        return True

    with pytest.raises(RefMoved) as moved:
        compare_and_swap(repo, NAME, new=commits[1], old=commits[0], is_there=another_is_faster)
    assert (moved.value.tip, moved.value.in_doubt) == (commits[1], False)


def test_the_ref_is_compared_under_its_lock(repo: pygit2.Repository, commits: list[Oid]) -> None:
    """Nobody can move it between the look and the write."""
    compare_and_swap(repo, NAME, new=commits[0], old=None)
    seen: list[bool] = []

    class Watched:
        def __init__(self) -> None:
            self.transaction = repo.transaction
            self.path = repo.path

        def lookup_reference(self, name: str) -> pygit2.Reference:
            seen.append(Path(repo.path, f"{NAME}.lock").exists())
            return repo.lookup_reference(name)

    watched: Any = Watched()
    compare_and_swap(watched, NAME, new=commits[1], old=commits[0], is_there=lambda: True)
    assert seen
    assert all(seen)
    assert read_ref(repo, NAME) == commits[1]


def test_an_error_that_left_the_ref_is_a_failure(repo: pygit2.Repository, commits: list[Oid]) -> None:
    compare_and_swap(repo, NAME, new=commits[0], old=None)
    with pytest.raises(RefError, match="no such object"):
        compare_and_swap(repo, NAME, new=Oid("1" * 40), old=commits[0])
    with pytest.raises(RefError, match="no such object"):
        compare_and_swap(repo, "refs/heads/other", new=Oid("1" * 40), old=None)
    repo.config["core.logAllRefUpdates"] = "true"
    Path(repo.path, "logs", NAME).mkdir(parents=True)
    Path(repo.path, "logs", NAME, "in-the-way").touch()
    with pytest.raises(RefError, match="could not be written"):
        compare_and_swap(pygit2.Repository(repo.path), NAME, new=commits[1], old=commits[0])
    assert read_ref(repo, NAME) == commits[0]


@pytest.mark.parametrize("packed", [False, True])
def test_a_branch_in_the_way_is_named(repo: pygit2.Repository, commits: list[Oid], packed: bool) -> None:
    compare_and_swap(repo, "refs/heads/work", new=commits[0], old=None)
    if packed:
        repo.references.compress()
    with pytest.raises(RefError, match="while refs/heads/work exists"):
        compare_and_swap(repo, NAME, new=commits[1], old=None)
    assert list(repo.references) == ["refs/heads/work"]


def test_a_damaged_or_symbolic_ref_is_said_to_be_one(repo: pygit2.Repository, commits: list[Oid]) -> None:
    heads = Path(repo.path, "refs/heads")
    heads.joinpath("garbage").write_text("garbage\n")
    heads.joinpath("symbolic").write_text("ref: refs/heads/nowhere\n")
    for name in ("refs/heads/garbage", "refs/heads/symbolic", "refs/heads/a..b"):
        with pytest.raises(RefError):
            read_ref(repo, name)
        with pytest.raises(RefError):
            compare_and_swap(repo, name, new=commits[0], old=None)


def test_of_many_creators_one_wins(repo: pygit2.Repository, commits: list[Oid]) -> None:
    for number in range(20):
        name = f"refs/heads/race/{number}"
        won: list[Oid] = []
        start = threading.Barrier(3)

        def create(
            new: Oid, name: str = name, won: list[Oid] = won, start: threading.Barrier = start
        ) -> None:
            mine = pygit2.Repository(repo.path)
            start.wait()
            try:
                compare_and_swap(mine, name, new=new, old=None)
            except RefError:
                return
            won.append(new)

        threads = [threading.Thread(target=create, args=(commit,)) for commit in commits]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) <= 1
        assert read_ref(repo, name) == (won[0] if won else None)
