"""The pure decisions: who restarts, with whom, how often, and after what delay."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.runtime.restart import (
    Backoff,
    Intensity,
    Restart,
    RestartWindow,
    Strategy,
    restarted_together,
    restarts_after,
)


@pytest.mark.parametrize(
    ("restart", "after_end", "after_crash"),
    [
        (Restart.PERMANENT, True, True),
        (Restart.TRANSIENT, False, True),
        (Restart.TEMPORARY, False, False),
    ],
)
def test_who_is_restarted(restart: Restart, after_end: bool, after_crash: bool) -> None:
    assert restarts_after(restart, crashed=False) is after_end
    assert restarts_after(restart, crashed=True) is after_crash


@pytest.mark.parametrize(
    ("strategy", "failed", "together"),
    [
        (Strategy.ONE_FOR_ONE, "b", "b"),
        (Strategy.ONE_FOR_ONE, "ca", "ac"),
        (Strategy.REST_FOR_ONE, "b", "bcd"),
        (Strategy.REST_FOR_ONE, "db", "bcd"),
        (Strategy.REST_FOR_ONE, "d", "d"),
        (Strategy.ONE_FOR_ALL, "d", "abcd"),
        (Strategy.ONE_FOR_ONE, "", ""),
        (Strategy.REST_FOR_ONE, "", ""),
        (Strategy.ONE_FOR_ALL, "", ""),
    ],
)
def test_who_goes_down_together(strategy: Strategy, failed: str, together: str) -> None:
    assert restarted_together(strategy, "abcd", failed) == tuple(together)


@pytest.mark.parametrize(
    ("restarts", "period", "times", "allowed"),
    [
        (0, 10.0, [0.0], [False]),
        (1, 10.0, [0.0, 5.0], [True, False]),
        (1, 10.0, [0.0, 10.0], [True, False]),  # the bound belongs to the period, as in OTP
        (1, 10.0, [0.0, 10.1], [True, True]),
        (2, 10.0, [0.0, 1.0, 10.5, 11.5], [True, True, True, True]),
        (2, 10.0, [0.0, 1.0, 10.5, 10.9], [True, True, True, False]),
    ],
)
def test_intensity_window(restarts: int, period: float, times: list[float], allowed: list[bool]) -> None:
    window = RestartWindow(Intensity(restarts, period))
    assert [window.record(now) for now in times] == allowed


@given(
    st.integers(0, 5),
    st.integers(1, 20),
    st.lists(st.integers(0, 10), max_size=40),
)
def test_intensity_window_counts_the_period_before_each_restart(
    restarts: int, period: int, gaps: list[int]
) -> None:
    window = RestartWindow(Intensity(restarts, float(period)))
    times: list[int] = []
    for gap in gaps:
        times.append((times[-1] if times else 0) + gap)
        recent = [time for time in times if time >= times[-1] - period]
        assert window.record(float(times[-1])) is (len(recent) <= restarts)
        assert len(window) == len(recent)


@given(st.floats(0, 100), st.floats(0, 1000), st.integers(1, 10_000), st.integers())
def test_delay_is_within_the_bound_and_the_bound_within_the_cap(
    first: float, cap: float, failures: int, seed: int
) -> None:
    backoff = Backoff(first, cap)
    bound = backoff.bound_seconds(failures)
    assert 0 <= bound <= cap
    assert bound <= backoff.bound_seconds(failures + 1)
    random = Random(seed)  # noqa: S311 - jitter is no secret
    assert 0 <= backoff.delay_seconds(failures, random) <= bound


def test_bound_doubles_up_to_the_cap() -> None:
    backoff = Backoff(first_seconds=0.5, cap_seconds=3.0)
    assert [backoff.bound_seconds(failures) for failures in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_the_same_seed_gives_the_same_delays() -> None:
    backoff = Backoff()
    one, other = Random(7), Random(7)  # noqa: S311
    delays = [backoff.delay_seconds(failures, one) for failures in range(1, 10)]
    assert delays == [backoff.delay_seconds(failures, other) for failures in range(1, 10)]
    assert len(set(delays)) == len(delays)


def test_a_stable_period_forgets_the_failures_before() -> None:
    backoff = Backoff(stable_seconds=30.0)
    assert backoff.failures_in_a_row(4, ran_seconds=29.9) == 5
    assert backoff.failures_in_a_row(4, ran_seconds=30.0) == 1


@pytest.mark.parametrize(
    "wrong", [lambda: Intensity(-1), lambda: Intensity(1, 0.0), lambda: Backoff(-0.1), lambda: Backoff(1, -1)]
)
def test_limits_that_make_no_sense_are_refused(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValueError, match="must be"):
        wrong()
