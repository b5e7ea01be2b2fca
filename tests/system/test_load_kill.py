"""SIGKILL at random under load, and started again with no human: nothing that was said to be done is lost.

Each round is a repository of its own, in which the service is killed again and again. What is drawn follows
from the seed that a failed round prints; it can be given again: `SCRIPTORIUM_SEED=... make system-test
ARGS='-k killed_at_random'`. How far the service gets between two draws is up to the machine.
"""

from __future__ import annotations

import contextlib
import os
import secrets

import pytest

from .conftest import MakePlace
from .history import assert_no_ticket_worktree, tickets
from .life import Life
from .load import Load, make_load
from .promises import Promises, assert_bounded, assert_swept
from .service import marked
from .soak import SOAKING, times

pytestmark = pytest.mark.slow

SEED = os.environ.get("SCRIPTORIUM_SEED") or (secrets.token_hex(4) if SOAKING else "1")
KILLS_IN_A_ROUND = 20
ROUNDS = times(3, 100)

MOMENTS = (
    None,  # while it starts
    r"listening on",
    r"base branch main is green",
    r"architect started",
    r"manager of \w+ started",
    r"areas: ",
    r"area \w+: tickets",
    r"assigned: ",
    r"attempt \d+ started",
    r"submitted [0-9a-f]{10}",
    r"attempt \d+ submitted",
    r"checking \d+",
    r"landed as",
    r"reopened: ",
)
"""After which news a kill may come."""

START_SECONDS = 1.0
MOMENT_SECONDS = 0.8
"""What is not said by then is not waited for: the kill comes anyhow."""


def a_moment(load: Load, life: Life) -> None:
    """Let the service get somewhere, and a little further."""
    draw = load.random
    pattern = draw.choice(MOMENTS)
    if pattern is None:
        life.hear(draw.random() * START_SECONDS)
        return
    life.hear(2 * START_SECONDS, "listening on")
    life.hear(MOMENT_SECONDS, pattern, times=draw.choice((1, 1, 2, 3)))
    life.hear(draw.choice((0.0, 0.01, 0.1, 0.4)) * draw.random())


def a_life(load: Load, life: Life) -> None:
    """Others at work beside it, perhaps; its agents killed, perhaps; then it is killed, perhaps with them."""
    draw = load.random
    with contextlib.ExitStack() as beside:
        if load.unfinished() < draw.choice((6, 10)):
            load.think_of_more(areas=2, tickets=2)
            beside.enter_context(load.plan())
        if draw.random() < 0.25:
            beside.enter_context(load.look())
        a_moment(load, life)
        if draw.random() < 0.25:
            load.kill_agents(share=draw.choice((0.3, 1.0)))
            a_moment(load, life)
        life.kill()
        if draw.random() < 0.3:
            load.kill_agents(share=1.0)


@pytest.mark.req("V1-34")
@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_at_random_under_load(make: MakePlace, number: int) -> None:
    print(f"SCRIPTORIUM_SEED={SEED}")  # noqa: T201 - pytest shows it when the test fails
    load = make_load(make, f"{SEED} {number}")
    load.think_of_more(areas=5, tickets=2)
    with load.plan():
        pass
    promises = Promises(load)
    orphans: set[int] = set()
    for kills in range(KILLS_IN_A_ROUND):
        life = load.live()
        a_life(load, life)
        promises.assert_kept()
        left = set(marked(load.place.root))
        if "listening on" in life.log:
            assert not left & orphans, "what an earlier life had left was not ended before anything began"
        orphans = left
        assert_bounded(load.place, kills + 1)

    life = load.live()
    life.listening()
    with load.plan():
        life.hear(0.1)
    life.stop()
    assert load.spec == load.place.git("show", "scriptorium/plan:spec.md")
    last = load.live("--until-idle")
    assert last.end() == 0, f"{last.log}\n{last.output}"
    promises.assert_kept(over=True)
    assert tickets(load.place) == dict.fromkeys(load.given, "done")
    assert_no_ticket_worktree(load.place)
    assert_swept(load.place)
