"""A person with git beside a `run` that is at work: edits of the plan by hand, and pushes from elsewhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from attrs import define, evolve, field

from .conftest import MakePlace
from .history import assert_no_ticket_worktree, assert_sound, tickets
from .load import Load, make_load
from .places import IDENTITY, Place, Work, part
from .service import clean_environment
from .soak import times

pytestmark = pytest.mark.slow

PUSHES = times(8, 100)
HELD = [[part("a1"), ["hold", "a1"], ["submit"]]]


@define
class Person:
    """Somebody with a working tree of the plan branch in `folder`."""

    folder: Path
    committed: list[str] = field(factory=list)

    def git(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Whatever becomes of it."""
        return subprocess.run(
            ["git", *IDENTITY, *words],
            cwd=self.folder, env=clean_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip

    def well(self, *words: str) -> str:
        """What has to succeed."""
        done = self.git(*words)
        assert done.returncode == 0, f"git {words}: {done.stderr}"
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(exist_ok=True)
        (self.folder / path).write_text(text)

    def amend_a_ticket(self, words: str) -> None:
        """Add to the notes of an open ticket, if there is one."""
        for path in sorted((self.folder / "tickets" / "open").glob("*.md"))[-1:]:
            path.write_text(path.read_text().replace("## Notes\n\n", f"## Notes\n\n{words}\n\n", 1))

    def commit(self, message: str) -> str:
        """Commit whatever was changed."""
        self.well("add", "--all")
        self.well("commit", "-q", "-m", message)
        return self.well("rev-parse", "HEAD")


def _push_an_edit(person: Person, load: Load, number: int) -> None:
    """Edit the plan as it is and push that; again when somebody else was faster, as git asks a person to."""
    while True:
        person.well("fetch", "-q", "origin")
        person.well("checkout", "-q", "--detach", "origin/scriptorium/plan")
        if number % 2 == 0:
            person.write("spec.md", load.spec)
        person.write(f"decisions/{number}.md", f"# Decision {number}\n\nSo be it.\n")
        person.amend_a_ticket(f"Mind decision {number}.")
        commit = person.commit(f"decision {number}")
        done = person.git("push", "-q", "origin", "HEAD:refs/heads/scriptorium/plan")
        if done.returncode == 0:
            person.committed.append(commit)
            return
        assert "rejected" in done.stderr or "lock" in done.stderr, done.stderr


def _finished_with_pushes(load: Load, person: Person) -> None:
    """Pushes beside a life that has work all the while, and then one that does the rest."""
    place = load.place
    life = load.live()
    life.wait_for("assigned")
    for number in range(PUSHES):
        if number % 2 == 0:
            load.think_of_more(areas=2, tickets=1)
        _push_an_edit(person, load, number)
        life.hear(0.05)
    life.hear(0.5)
    life.stop()
    last = load.live("--until-idle")
    assert last.end() == 0, f"{last.log}\n{last.output}"
    for said in (life.log, last.log):
        assert "crashed" not in said
        assert "is stuck" not in said
    assert len(set(person.committed)) == PUSHES
    history = place.git("rev-list", "scriptorium/plan").split()
    assert set(person.committed) <= set(history)
    assert place.git("rev-list", "--min-parents=2", "scriptorium/plan") == ""
    assert tickets(place) == dict.fromkeys(load.given, "done")
    assert_sound(place, by_hand=person.committed)
    assert_no_ticket_worktree(place)


def _load(make: MakePlace) -> Load:
    load = make_load(make, "a person")
    load.think_of_more(areas=5, tickets=2)
    with load.plan():
        pass
    return load


@pytest.mark.req("V1-33", "V1-34")
def test_pushes_of_the_plan_from_a_clone_beside_run(make: MakePlace, tmp_path: Path) -> None:
    load = _load(make)
    load.place.git("clone", "-q", str(load.place.root), str(tmp_path / "clone"))
    _finished_with_pushes(load, Person(tmp_path / "clone"))


@pytest.mark.req("V1-33", "V1-34")
def test_pushes_into_the_bare_repository_that_run_serves(make: MakePlace, tmp_path: Path) -> None:
    load = _load(make)
    bare = tmp_path / "served.git"
    load.place.git("clone", "-q", "--bare", str(load.place.root), str(bare))
    (bare / "scriptorium.json").write_text((load.place.root / "scriptorium.json").read_text())
    load.place.services.clear()
    load.place = evolve(load.place, root=bare)
    load.place.git("clone", "-q", str(bare), str(tmp_path / "clone"))
    _finished_with_pushes(load, Person(tmp_path / "clone"))


@pytest.mark.req("V1-33", "V1-34")
def test_commits_in_a_checkout_of_the_plan_branch_beside_run(make: MakePlace, tmp_path: Path) -> None:
    """While an agent works and nothing moves the branch: then git lets a person do it, and it is legal."""
    place: Place = make({"alpha": [Work("a1", HELD), Work("a2", [[part("a2"), ["submit"]]], depends="a1")]})
    place.git("worktree", "add", "-q", str(tmp_path / "plan"), "scriptorium/plan")
    person = Person(tmp_path / "plan")
    service = place.run()
    place.await_held("a1")
    person.well("reset", "-q", "--hard")
    person.write("spec.md", "# A spec\n\nBuild the parts, and mind the gap.\n")
    person.write("areas/alpha.md", "# alpha\n\nThe parts of alpha, all of them.\n")
    person.write("decisions/one.md", "# One\n\nMind the gap.\n")
    person.amend_a_ticket("Mind the gap.")
    person.committed.append(person.commit("by hand"))
    service.wait_for("architect started")
    service.wait_for("areas: ")

    place.let_go("a1")
    service.wait_for("landed as", times=2)
    service.stop()

    assert "Mind the gap." in place.events("start", "a2")[0]["prompt"]
    # What is checked out there stays the person's, however the branch has moved on below it.
    assert (person.folder / "decisions" / "one.md").read_text() == "# One\n\nMind the gap.\n"
    person.well("reset", "-q", "--hard")
    assert person.well("status", "--porcelain") == ""
    place.finish()
    assert_sound(place, by_hand=person.committed)
    assert tickets(place) == {"a1": "done", "a2": "done"}
