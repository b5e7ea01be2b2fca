"""Pins: numbered without a gap being reused, whether the refs are loose or packed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from scriptorium.code.pins import (
    delete_landing,
    highest_ticket_id,
    pin_submitted,
    pin_work,
    pins_of,
    read_landings,
    ref_names,
    set_landing,
)
from scriptorium.code.repository import open_repository
from scriptorium.plan.ids import TicketId
from scriptorium.plan.refs import RefMoved

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

ONE = TicketId("0001")


def test_pins_are_numbered_on_from_the_highest(fixture: Fixture, run_git: Callable[..., str]) -> None:
    repo = open_repository(fixture.project)
    first, second, third, fourth = (fixture.commit({"file": str(n)}) for n in range(4))

    assert pin_submitted(repo, ONE, first) == "refs/scriptorium/submitted/0001/1"
    assert pin_submitted(repo, ONE, second) == "refs/scriptorium/submitted/0001/2"
    run_git(fixture.root, "pack-refs", "--all")
    assert pin_submitted(repo, ONE, third) == "refs/scriptorium/submitted/0001/3"
    run_git(fixture.root, "update-ref", "-d", "refs/scriptorium/submitted/0001/1")
    assert pin_submitted(repo, ONE, fourth) == "refs/scriptorium/submitted/0001/4"
    assert set(pins_of(repo, ONE)) == {second, third, fourth}


def test_the_same_commit_is_pinned_once(fixture: Fixture) -> None:
    repo = open_repository(fixture.project)
    commit = fixture.commit({"file": "x"})

    assert pin_work(repo, ONE, commit) == pin_work(repo, ONE, commit) == "refs/scriptorium/work/0001/1"
    assert pin_submitted(repo, ONE, commit) == "refs/scriptorium/submitted/0001/1"


def test_ten_comes_after_nine(fixture: Fixture) -> None:
    repo = open_repository(fixture.project)

    names = [pin_work(repo, ONE, fixture.commit({"file": str(n)})) for n in range(11)]

    assert names[-1] == "refs/scriptorium/work/0001/11"
    assert len(set(names)) == 11


def test_a_name_that_is_no_number_does_not_disturb(fixture: Fixture) -> None:
    repo = open_repository(fixture.project)
    repo.references.create("refs/scriptorium/work/0001/99999999999999999999", repo.head.target)
    repo.references.create("refs/scriptorium/work/0001/mine", repo.head.target)
    (fixture.project.git_dir / "refs/scriptorium/work/0001/7").write_text("garbage\n")

    assert pin_work(repo, ONE, fixture.commit({"file": "x"})) == "refs/scriptorium/work/0001/8"


def test_the_highest_ticket_id_is_found_in_branches_and_refs_loose_and_packed(
    fixture: Fixture, run_git: Callable[..., str]
) -> None:
    repo = open_repository(fixture.project)
    tip = repo.head.target
    assert highest_ticket_id(repo) == 0
    repo.references.create("refs/heads/scriptorium/ticket-0012", tip)
    repo.references.create("refs/heads/scriptorium/ticket-0099x", tip)
    repo.references.create("refs/heads/other/ticket-0098", tip)
    assert highest_ticket_id(repo) == 12
    pin_work(repo, TicketId("0040"), fixture.tip())
    set_landing(repo, TicketId("10001"), fixture.tip(), fixture.tip())
    assert highest_ticket_id(repo) == 10001
    run_git(fixture.root, "pack-refs", "--all", "--prune")
    assert not list((fixture.project.git_dir / "refs" / "heads").rglob("ticket-*"))
    assert highest_ticket_id(repo) == 10001


def test_the_highest_ticket_id_in_a_bare_repository(bare: Fixture) -> None:
    repo = open_repository(bare.project)
    pin_submitted(repo, TicketId("0007"), bare.tip())

    assert highest_ticket_id(repo) == 7


def test_landings_are_named_read_and_forgotten(fixture: Fixture) -> None:
    repo = open_repository(fixture.project)
    first, second = fixture.commit({"file": "1"}), fixture.commit({"file": "2"})
    ten, two = TicketId("0010"), TicketId("0002")

    set_landing(repo, ten, first, fixture.tip())
    set_landing(repo, two, first, fixture.tip())
    set_landing(repo, ten, second, fixture.tip())
    set_landing(repo, ten, second, fixture.tip())

    assert read_landings(repo) == ((two, first), (ten, second))
    with pytest.raises(RefMoved):
        delete_landing(repo, ten, old=first)
    delete_landing(repo, ten, old=second)
    delete_landing(repo, ten, old=second)
    assert read_landings(repo) == ((two, first),)


def test_lock_files_are_not_refs(fixture: Fixture) -> None:
    repo = open_repository(fixture.project)
    pin_work(repo, ONE, fixture.tip())
    (fixture.project.git_dir / "refs/scriptorium/work/0001/2.lock").touch()

    assert ref_names(repo, "refs/scriptorium/") == ("refs/scriptorium/work/0001/1",)
