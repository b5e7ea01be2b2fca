"""The base follows what others pushed as a fast-forward that a kill anywhere leaves to be settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scriptorium.code.following import FOLLOWING, follow
from scriptorium.code.landing import BaseMoved, Blocked, Landed, LandingRefused, land, make_landing_commit
from scriptorium.code.pins import read_landings
from scriptorium.code.settle import Settled, SettledAs, settle
from scriptorium.plan.ids import Oid
from tests.code.landings import CHANGES, Git, prove
from tests.code.test_settle import Stopped, stop_at

if TYPE_CHECKING:
    from tests.code.conftest import Fixture


def pushed(fixture: Fixture) -> Oid:
    """What others pushed: two commits, of which the first changes what the second does not."""
    first = fixture.commit(CHANGES, parents=[fixture.tip()])
    return fixture.commit({"second.txt": "second\n"}, parents=[first])


def test_the_checkout_moves_along_over_several_commits(fixture: Fixture, run_git: Git) -> None:
    base, tip = fixture.tip(), pushed(fixture)
    assert follow(fixture.project, "main", base, tip) == Landed(tip)
    assert fixture.tip() == tip
    assert (fixture.root / "README.md").read_text() == "# Changed\n"
    assert (fixture.root / "second.txt").is_file()
    assert run_git(fixture.root, "status", "--porcelain") == ""
    assert read_landings(fixture.open()) == ()
    assert follow(fixture.project, "main", base, tip) == Landed(tip)
    newer = fixture.commit({"third.txt": "third\n"}, parents=[base])
    assert follow(fixture.project, "main", base, newer) == BaseMoved(tip)


def test_uncommitted_work_in_the_way_is_not_touched(fixture: Fixture, run_git: Git) -> None:
    base = fixture.tip()
    (fixture.root / "README.md").write_text("mine\n")
    assert follow(fixture.project, "main", base, pushed(fixture)) == Blocked(("README.md",))
    assert fixture.tip() == base
    assert run_git(fixture.root, "status", "--porcelain") == " M README.md\n"


def test_only_what_contains_the_base_is_followed(fixture: Fixture) -> None:
    tip = pushed(fixture)
    base = fixture.land({"ours.txt": "ours\n"})
    with pytest.raises(LandingRefused, match="does not contain"):
        follow(fixture.project, "main", base, tip)
    assert fixture.tip() == base


@pytest.mark.parametrize("place", ["landing-ref", "staged", "removed", "placed", "index", "base"])
def test_cut_short_anywhere_it_is_settled(fixture: Fixture, run_git: Git, place: str) -> None:
    base, tip = fixture.tip(), pushed(fixture)
    with pytest.raises(Stopped):
        follow(fixture.project, "main", base, tip, step=stop_at(place))
    outcome = SettledAs.CONTAINED if place == "base" else SettledAs.FINISHED
    assert settle(fixture.project, "main") == (Settled(FOLLOWING, outcome, tip),)
    assert fixture.tip() == tip
    assert run_git(fixture.root, "status", "--porcelain") == ""


def test_a_base_that_went_elsewhere_meanwhile_calls_it_off(fixture: Fixture, run_git: Git) -> None:
    base, tip = fixture.tip(), pushed(fixture)
    with pytest.raises(Stopped):
        follow(fixture.project, "main", base, tip, step=stop_at("index"))
    run_git(fixture.root, "commit", "-q", "-m", "mine", "README.md")
    mine = fixture.tip()
    assert settle(fixture.project, "main") == (Settled(FOLLOWING, SettledAs.CHECK_AGAIN, tip),)
    assert fixture.tip() == mine
    assert run_git(fixture.root, "status", "--porcelain") == ""
    assert not (fixture.root / "second.txt").exists()


def test_the_landing_of_a_merge_with_the_remote_is_settled_as_itself(fixture: Fixture) -> None:
    """Its second parent does not contain its first: it is what lands, and no mark."""
    tip = pushed(fixture)
    fixture.land({"ours.txt": "ours\n"})
    proof = prove(fixture, tip)
    merge = make_landing_commit(fixture.project, proof, "scriptorium: merge origin/main\n")
    with pytest.raises(Stopped):
        land(fixture.project, "main", FOLLOWING, proof, merge, step=stop_at("placed"))
    assert settle(fixture.project, "main") == (Settled(FOLLOWING, SettledAs.FINISHED, merge),)
    assert fixture.tip() == merge
