"""A World on a real repository, with whatever seams a program wants to put in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from scriptorium.actors.crew import Crew
from scriptorium.actors.health import Conditions
from scriptorium.actors.news import News
from scriptorium.actors.world import AgentRunner, Checks, World, new_run_id, utc_now
from scriptorium.code.repository import Project, base_branch, ensure_state_dir, open_repository
from scriptorium.config import Config
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.store import PlanStore
from scriptorium.runtime import EventStream, Offload, inline
from scriptorium.runtime.offload import in_thread_unattended


def make_world(
    project: Project,
    agents: AgentRunner,
    checks: Checks,
    *,
    config: Config | None = None,
    offload: Offload = inline,
    events: EventStream | None = None,
    now: Callable[[], datetime] = utc_now,
    run_ids: Callable[[], str] = new_run_id,
) -> World:
    """Everything that `run_actors` needs, on a repository with a plan branch.

    By default git runs in the loop itself, so that a run on a virtual clock is reproducible; one on real time
    wants `offload=in_thread`. No server and no lock: whoever embeds it has the repository to itself.
    """
    config = config or Config()
    ensure_state_dir(project)
    branch = base_branch(open_repository(project), config.base_branch)
    news = News()
    return World(
        project=project,
        config=config,
        branch=branch,
        plan=PlanStore(PlanRepository(project.git_dir), offload, lambda _snapshot: news.publish()),
        agents=agents,
        checks=checks,
        offload=offload,
        news=news,
        crew=Crew(config.max_agents, news.publish),
        conditions=Conditions(branch, news.publish),
        events=events or EventStream(),
        background=inline if offload is inline else in_thread_unattended,
        now=now,
        new_run_id=run_ids,
    )
