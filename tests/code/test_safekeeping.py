"""What gets a ref is there, whole, whatever git deletes before, between and after."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scriptorium.code import safekeeping
from scriptorium.code.pins import pin_submitted, pins_of, set_landing
from scriptorium.code.repository import open_repository
from scriptorium.code.wholeness import ObjectsVanished
from scriptorium.plan.ids import TicketId
from scriptorium.plan.refs import compare_and_swap

from .conftest import Content, Fixture

ONE = TicketId("0001")
Git = Callable[..., str]
DEEP: dict[str, Content] = {
    "src/deep/er/new.py": "new\n",
    "README.md": "# Changed\n",
    "run.sh": ("exec", "#!/bin/sh\n"),
}


@pytest.mark.slow
@pytest.mark.req("V1-34")
@pytest.mark.parametrize(
    "words", [("prune", "--expire=now"), ("repack", "-adf", "-q"), ("gc", "-q", "--prune=now")]
)
def test_what_git_prunes_before_the_ref_moves_is_there_afterwards(
    fixture: Fixture, run_git: Git, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fixture.commit(DEEP)
    second = fixture.commit({"src/deep/second.py": "2\n"}, parents=[first])

    def keep_house_first(*given: object, **named: object) -> None:
        run_git(fixture.root, *words)
        compare_and_swap(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("scriptorium.code.safekeeping.compare_and_swap", keep_house_first)
    repo = open_repository(fixture.project)
    pin_submitted(repo, ONE, second)
    run_git(fixture.root, *words)
    assert pins_of(repo, ONE) == (second,)
    assert run_git(fixture.root, "fsck", "--full", "--strict", "--no-dangling", "--no-progress") == ""
    assert fixture.tree(second)["src/deep/er/new.py"] == b"new\n"


def test_only_what_is_new_is_written_once_more(fixture: Fixture) -> None:
    repo = open_repository(fixture.project)
    base = fixture.tip()
    commit = fixture.commit({"src/new.py": "new\n"})
    found = safekeeping._objects(repo, commit, [base])
    assert sorted(new.kind.name for new in found) == ["BLOB", "COMMIT", "TREE", "TREE"]
    assert safekeeping._objects(repo, base, [base]) == []


def test_a_commit_of_which_something_is_gone_gets_no_ref(fixture: Fixture) -> None:
    commit = fixture.commit({"src/new.py": "new\n"})
    blob = fixture.open().revparse_single(f"{commit}:src/new.py").id
    (fixture.project.git_dir / "objects" / str(blob)[:2] / str(blob)[2:]).unlink()
    repo = open_repository(fixture.project)
    with pytest.raises(ObjectsVanished, match=f"{blob} is not there"):
        set_landing(repo, ONE, commit, fixture.tip())
    assert repo.references.get("refs/scriptorium/landing/0001") is None
