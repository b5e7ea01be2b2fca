"""Killed at any step of a landing, the next start finishes it or calls it off, without a human."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, groupby
from pathlib import Path

import pytest

from scriptorium.code.landing import BaseMoved
from scriptorium.code.settle import SettledAs
from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import enable_fsync
from tests.code.landings import CHANGES

from .aftermath import noting
from .landing_site import (
    BRANCH,
    Base,
    Site,
    assert_files_are_whole,
    assert_landed,
    assert_nothing_is_left,
    assert_untouched,
    land_and_complete,
    land_it,
    make_site,
    start_again,
)
from .soak import SOAKING, chance, seeds
from .syscalls import Answer, Call, Decide, Run, go_on, kill_at, watch

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("syscalls")]


IN_CI = (Base.CHECKED_OUT, Base.ELSEWHERE, Base.BARE)


def child(site: Site, work: Callable[[Site], object], decide: Decide) -> Run:
    """Do `work` in a process, durably."""

    def begin() -> str:
        enable_fsync()
        return str(work(site))

    return watch(begin, site.place, decide)


@pytest.mark.req("V1-25", "V1-34")
@pytest.mark.parametrize("base", tuple(Base) if SOAKING else IN_CI)
def test_killed_at_each_durable_step_of_a_landing(base: Base, tmp_path: Path) -> None:
    site = make_site(base, tmp_path)
    outcomes: list[tuple[SettledAs, ...]] = []
    for number in count(1):
        run = child(site, land_and_complete, kill_at(number))
        with noting("killed before", *run.calls[-1:]):
            assert site.fixture.tip() in {site.evidence.base, site.commit}
            assert_files_are_whole(site)
            outcomes.append(tuple(settled.outcome for settled in start_again(site)))
            if site.fixture.tip() != site.commit:
                land_and_complete(site)
            assert_landed(site)
        site.put_back()
        if run.said is not None:
            break
    # Not begun; begun; the base has moved; the landing is forgotten.
    in_order = [outcome for outcome, _ in groupby(outcomes)]
    assert in_order == [(), (SettledAs.FINISHED,), (SettledAs.CONTAINED,), ()]


def steps_in_checkout(site: Site) -> list[int]:
    """The numbers of the calls of a landing that change the files of the checkout."""
    calls = child(site, land_and_complete, go_on).calls
    site.put_back()
    assert site.checkout is not None
    folder = site.checkout.relative_to(site.place)
    paths = {str(folder / path) for path in CHANGES}
    return [call.number for call in calls if call.path in paths]


@pytest.mark.req("V1-34")
def test_killed_again_at_each_durable_step_of_settling(tmp_path: Path) -> None:
    for seed in seeds(soak=20):
        drawn = chance(seed)
        site = make_site(Base.CHECKED_OUT, tmp_path / str(seed))
        steps = steps_in_checkout(site)
        first = steps[len(steps) // 2] if drawn is None else drawn.randrange(1, steps[-1] + 10)
        with noting("the seed is", seed, "and the first kill at", first):
            child(site, land_and_complete, kill_at(first))
            site.keep()
            kill_at_each_call_of_settling(site)


def kill_at_each_call_of_settling(site: Site) -> None:
    for number in count(1):
        run = child(site, start_again, kill_at(number))
        with noting("killed before", *run.calls[-1:]):
            assert_files_are_whole(site)
            start_again(site)
            if site.fixture.tip() != site.commit:
                land_and_complete(site)
            assert_landed(site)
        site.put_back()
        if run.said is not None:
            break


def moving_base(site: Site, to: Oid, number: int) -> Decide:
    """Move the base just before a landing would, and kill at the call of that number."""
    lock = f"refs/heads/{BRANCH}.lock"

    def decide(call: Call) -> Answer:
        tip = site.fixture.tip()
        if call.path.endswith(lock) and tip != to:
            site.fixture.open().references[f"refs/heads/{BRANCH}"].set_target(to)
        return Answer.KILL if call.number == number else Answer.GO_ON

    return decide


@pytest.mark.req("V1-34")
def test_killed_at_each_durable_step_of_calling_off(tmp_path: Path) -> None:
    """The base moves to somebody else's commit when the files have moved already."""
    site = make_site(Base.CHECKED_OUT, tmp_path)
    moved = site.fixture.commit({"elsewhere": "x\n"}, parents=[site.fixture.tip()])
    site.keep()
    called_off = 0
    for number in count(steps_in_checkout(site)[-1] + 1):
        run = child(site, land_it, moving_base(site, moved, number))
        if site.fixture.tip() == moved:
            with noting("killed before", *run.calls[-1:]):
                settled = start_again(site)
                assert {settled.outcome for settled in settled} <= {SettledAs.CHECK_AGAIN}
                status = " M .gitignore\nD  elsewhere\nA  staged\n?? dirty\n"
                assert_untouched(site, status)
                assert_nothing_is_left(site)
                called_off += 1
        site.put_back()
        if run.said is not None:
            assert run.said == str(BaseMoved(moved))
            break
    assert called_off > 10
