"""The merge queue's decisions hold whatever happens between its steps: submissions, people, crashes."""

from __future__ import annotations

import pytest

from .queue_runs import run

RUNS = 50
"""Two thousand others: the system suite."""


@pytest.mark.slow
@pytest.mark.req("V1-22", "V1-34")
def test_every_submission_lands_or_comes_back_once_whatever_happens_in_between() -> None:
    for seed in range(RUNS):
        run(seed)
