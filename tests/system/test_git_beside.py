"""The user's git keeps house at the same time: nothing is lost, nothing is given up, and all goes on."""

from __future__ import annotations

import itertools
import re
import subprocess

import pytest

from .conftest import MakePlace
from .history import assert_no_ticket_worktree, tickets
from .life import Life
from .load import Load, make_load
from .promises import Promises
from .service import clean_environment
from .soak import SOAKING, times

pytestmark = pytest.mark.slow

TICKETS = times(4, 20)
"""In each of five areas: with fewer it ends before git has kept house a few times."""
PAUSE_SECONDS = 1.0
"""At most, from one command to the next: to make anew what was pruned takes some time."""
ACTORS = ("merge-queue", "assigner", "manager", "architect")

HOUSEKEEPING = {
    "gc": ["gc"],
    "gc that prunes": ["gc", "--prune=now", "--aggressive"],
    "repack": ["repack", "-a", "-d", "-f"],
    "pack-refs": ["pack-refs", "--all"],
    "worktree prune": ["worktree", "prune"],
    "maintenance": [
        "maintenance", "run", "--task=gc", "--task=loose-objects", "--task=incremental-repack",
        "--task=pack-refs", "--task=commit-graph",
    ],
}  # fmt: skip


def keep_house_beside(load: Load, life: Life, words: list[list[str]]) -> int:
    """These commands, one after the other, again and again until the service has ended; how often it was."""
    for number, command in enumerate(itertools.cycle(words)):
        if not life.goes_on(PAUSE_SECONDS * load.random.random()):
            return number
        subprocess.run(
            ["git", *command], cwd=load.place.root, env=clean_environment(), capture_output=True, check=False
        )
    raise AssertionError("not reached")


@pytest.mark.req("V1-34")
@pytest.mark.parametrize("which", ["gc", "gc that prunes", "all"] if not SOAKING else [*HOUSEKEEPING, "all"])
def test_git_keeps_house_beside_run(make: MakePlace, which: str) -> None:
    load = make_load(make, which)
    load.think_of_more(areas=5, tickets=TICKETS)
    with load.plan():
        pass
    life = load.live("--until-idle")
    words = list(HOUSEKEEPING.values()) if which == "all" else [HOUSEKEEPING[which]]
    done = keep_house_beside(load, life, words)

    assert life.end() == 0, f"{life.log}\n{life.output}"
    assert done > 2
    Promises(load).assert_kept(over=True)
    assert tickets(load.place) == dict.fromkeys(load.given, "done")
    assert_no_ticket_worktree(load.place)
    assert "is stuck" not in life.log
    assert not re.search(rf"^\S+ ({'|'.join(ACTORS)}) crashed", life.log, re.MULTILINE), life.log
