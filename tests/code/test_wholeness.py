"""`git gc --prune=now` in the middle: what is not whole is kept by no ref, and is made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pygit2
import pytest

from scriptorium.code.landing import Landed
from scriptorium.code.pins import pin_submitted, pin_work, pins_of
from scriptorium.code.repository import open_repository
from scriptorium.code.wholeness import ObjectsVanished, missing_object
from scriptorium.plan.ids import Oid, TicketId
from tests.code.landings import submit, try_landing

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

ONE = TicketId("0001")
Git = Callable[..., str]


def vanish(fixture: Fixture, oid: str) -> None:
    """As when git removes an object that no ref has."""
    (fixture.project.git_dir / "objects" / oid[:2] / oid[2:]).unlink()


def objects_of(fixture: Fixture, commit: Oid) -> dict[str, str]:
    """What a commit has that its parents have not, by what it is."""
    tree = fixture.open()[commit].peel(pygit2.Tree)
    folder = tree["src"].peel(pygit2.Tree)
    return {
        "commit": commit,
        "tree": str(tree.id),
        "folder": str(folder.id),
        "file": str(folder["new.py"].id),
    }


@pytest.mark.parametrize("what", ["commit", "tree", "folder", "file"])
def test_a_commit_that_is_not_whole_is_not_pinned(fixture: Fixture, run_git: Git, what: str) -> None:
    commit = fixture.commit({"src/new.py": "new\n"})
    repo = open_repository(fixture.project)
    assert missing_object(fixture.project.git_dir, commit) is None
    assert repo[commit].peel(pygit2.Tree)["src/new.py"]  # so this repository has seen all of it
    gone = objects_of(fixture, commit)[what]
    vanish(fixture, gone)
    assert missing_object(fixture.project.git_dir, commit) == gone
    with pytest.raises(ObjectsVanished, match=f"{gone} is not there"):
        pin_submitted(repo, ONE, commit)
    assert pins_of(repo, ONE) == ()
    assert run_git(fixture.root, "fsck", "--connectivity-only", "--no-dangling") == ""


def test_what_its_parents_have_is_not_looked_at(fixture: Fixture) -> None:
    """Costs as much as the commit changes; a damaged repository is another matter."""
    commit = fixture.commit({"src/new.py": "new\n"})
    vanish(fixture, str(fixture.open()[fixture.tip()].peel(pygit2.Tree)["README.md"].id))
    assert missing_object(fixture.project.git_dir, commit) is None
    assert missing_object(fixture.project.git_dir, commit, []) is not None


@pytest.mark.parametrize("kind", ["fixture", "bare"])
def test_what_is_not_whole_does_not_land(request: pytest.FixtureRequest, run_git: Git, kind: str) -> None:
    fixture: Fixture = request.getfixturevalue(kind)
    evidence, commit = submit(fixture, {"src/new.py": "new\n"})
    before = fixture.tip()
    vanish(fixture, objects_of(fixture, commit)["file"])
    with pytest.raises(ObjectsVanished):
        try_landing(fixture, evidence, commit)
    assert fixture.tip() == before
    assert fixture.open().references.get("refs/scriptorium/landing/0001") is None
    fixture.open().create_blob(b"new\n")
    assert isinstance(try_landing(fixture, evidence, commit), Landed)


def test_the_users_gc_takes_nothing_that_a_ref_has(fixture: Fixture, run_git: Git) -> None:
    commit = fixture.commit({"src/new.py": "new\n"})
    pin_work(open_repository(fixture.project), ONE, commit)
    other = fixture.commit({"src/other.py": "other\n"})
    run_git(fixture.root, "gc", "-q", "--prune=now")
    assert missing_object(fixture.project.git_dir, commit) is None
    assert missing_object(fixture.project.git_dir, other) == other
