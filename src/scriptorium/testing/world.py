"""A World on a real repository, with whatever seams a program wants to put in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random

import trio

from scriptorium.actors.crew import Crew
from scriptorium.actors.health import Conditions
from scriptorium.actors.news import News
from scriptorium.actors.remote_link import RemoteBranch
from scriptorium.actors.tree import Report, run_actors
from scriptorium.actors.watcher import TICK_SECONDS
from scriptorium.actors.world import AgentRunner, Checks, World
from scriptorium.code.evidence import VerdictStore
from scriptorium.code.repository import Project, base_branch, ensure_state_dir, open_repository
from scriptorium.config import Config
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.store import PlanStore
from scriptorium.runtime import EventStream, Offload, in_thread_unattended, inline
from scriptorium.testing.virtual import run_random, virtual_now


def seeded_run_id() -> str:
    """An id for a run: 128 random bits, from the seed of the run that calls it if it has one."""
    return f"{run_random('run ids').getrandbits(128):032x}"


def make_world(
    project: Project,
    agents: AgentRunner,
    checks: Checks,
    *,
    config: Config | None = None,
    offload: Offload = inline,
    events: EventStream | None = None,
    now: Callable[[], datetime] = virtual_now,
    run_ids: Callable[[], str] = seeded_run_id,
    watch_seconds: float = TICK_SECONDS,
    remote: RemoteBranch | None = None,
) -> World:
    """Everything that `run_world` needs, on a repository with a plan branch.

    Made inside ``run_virtual(..., seed=...)`` it follows from that seed: the times and run ids that it writes
    down, and the delays before restarts. By default git runs in the loop itself, so that a run on virtual
    time can be repeated; one on real time wants `offload=in_thread`. No server and no lock: whoever embeds
    it has the repository to itself.

    ``watch_seconds``: how often to look whether somebody else has moved a branch. On virtual time each look
    costs as much as on real time, and a day has 86,400 seconds: 60 is enough where nobody else writes.

    ``remote``: where the base branch is pushed after each landing: what `code.remote.open_remote` gives, or
    anything that behaves so.
    """
    config = config or Config()
    ensure_state_dir(project)
    branch = base_branch(open_repository(project), config.base_branch)
    news = News()
    conditions = Conditions(branch, news.publish)
    plan = PlanRepository(project.git_dir, now=lambda: now().timestamp())
    return World(
        project=project,
        config=config,
        branch=branch,
        plan=PlanStore(plan, offload, lambda _snapshot: news.publish(), conditions.set_plan_blocked),
        agents=agents,
        checks=checks,
        offload=offload,
        news=news,
        crew=Crew(config.max_agents, news.publish),
        conditions=conditions,
        events=events or EventStream(),
        background=inline if offload is inline else in_thread_unattended,
        remote=remote,
        now=now,
        new_run_id=run_ids,
        watch_seconds=watch_seconds,
        random=run_random("restarts") if trio.lowlevel.in_trio_run() else Random(),  # noqa: S311 - delays
    )


async def run_world(world: World, *, until_idle: bool = True, stop: trio.Event | None = None) -> Report:
    """Run the actors of a world of `make_world`, once, until nothing is left to do or ``stop`` is set.

    Returns what is left to do. Verdicts are kept in the project's state folder, as the service keeps them:
    the next world on this project checks no tree again. Raises `SupervisorFailed` when an actor crashes
    again and again. Cancelled, no agent or check is left running, and the next world goes on.
    """
    verdicts = VerdictStore(world.project.state_dir / "verdicts", fsync=False)
    never = trio.Event()
    return await run_actors(world, verdicts, until_idle=until_idle, stop=never if stop is None else stop)
