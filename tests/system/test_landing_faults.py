"""A system call of a landing fails: who asked is told what is true, and the ticket lands all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptorium.code.landing import Landed
from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import enable_fsync

from .aftermath import left_over, noting
from .landing_site import (
    Base,
    Site,
    assert_files_are_whole,
    assert_landed,
    assert_untouched,
    complete,
    land_it,
    make_site,
    settle_all,
)
from .one_fault import ERRORS, OneFault, first_try_is_over
from .soak import SOAKING
from .syscalls import watch

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("syscalls")]


@pytest.mark.req("V1-34")
@pytest.mark.parametrize("base", tuple(Base) if SOAKING else [Base.CHECKED_OUT, Base.BARE])
def test_each_call_of_a_landing_fails_once(base: Base, tmp_path: Path) -> None:
    site = make_site(base, tmp_path)
    if SOAKING:
        failed = [fail_each_call(site, (error,)) for error in ERRORS]
    else:  # each call fails in one way, which is another for the next call
        failed = [fail_each_call(site, ERRORS)]
    assert min(failed) > 10


def fail_each_call(site: Site, errors: tuple[int, ...]) -> int:
    """Let each call fail, with the errors in turn; how many there were."""
    failed = 0
    while fail_once(site, failed + 1, errors[failed % len(errors)]):
        failed += 1
    return failed


def fail_once(site: Site, number: int, error: int) -> bool:
    """Let the call of that number fail; False when there is none."""
    between: list[Oid] = []

    def look() -> None:
        between.append(site.fixture.tip())
        assert left_over(site.place) in ([], fault.what_stays)
        if between == [site.commit]:
            assert_files_are_whole(site)
        else:
            assert_untouched(site)

    fault = OneFault(number, error, look)
    with noting(fault):
        run = watch(lambda: land_twice(site), site.place, fault)
        assert (between == [site.commit]) == (run.said == str(Landed(site.commit))), run.said
        for path in fault.what_stays:
            (site.place / path).unlink(missing_ok=True)
        assert_landed(site)
    site.put_back()
    return fault.failed is not None


def land_twice(site: Site) -> str:
    """Land the ticket as the merge queue does, which settles after an error; what it was told at first."""
    enable_fsync()
    try:
        told = str(land_it(site))
    except Exception as error:
        told = repr(error)
    first_try_is_over(site.place)
    settle_all(site)
    assert land_it(site) == Landed(site.commit)
    complete(site)
    return told
