"""The merge queue's decisions, in as many random runs as can be waited for."""

from __future__ import annotations

import pytest

from tests.actors.queue_runs import run
from tests.actors.test_queue_model import RUNS

from .soak import times

pytestmark = pytest.mark.slow


@pytest.mark.req("V1-22", "V1-34")
def test_two_thousand_runs_of_the_queue() -> None:
    for seed in range(RUNS, RUNS + times(ci=2_000, soak=200_000)):
        run(seed)
