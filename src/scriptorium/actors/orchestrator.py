"""One running service on a real repository: the lock, the recovery, the server, the actors, in that order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import define, field, frozen

from scriptorium.actors.checks import ProcessChecks
from scriptorium.actors.conditions_file import write_conditions
from scriptorium.actors.crew import Crew
from scriptorium.actors.events import ServiceStarted, Trouble
from scriptorium.actors.health import Conditions
from scriptorium.actors.housekeeping import PatientOffload
from scriptorium.actors.instance import single_instance
from scriptorium.actors.news import News
from scriptorium.actors.process_agents import ProcessAgents
from scriptorium.actors.recovery import recover
from scriptorium.actors.tree import Report, run_actors
from scriptorium.actors.world import World
from scriptorium.code.carrier import clear_carriers
from scriptorium.code.evidence import VerdictStore
from scriptorium.code.partial import require_whole
from scriptorium.code.remote import Remote, open_remote
from scriptorium.code.repository import Project, base_branch, discover, ensure_state_dir, open_repository
from scriptorium.config import Config, load_config
from scriptorium.harness.process import Runner
from scriptorium.harness.records import remove_service_record, write_service_record
from scriptorium.harness.refusing import default_runner
from scriptorium.plan.refs import enable_fsync
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.start import look_over
from scriptorium.plan.store import PlanStore
from scriptorium.runtime import EventStream, in_thread, sole_error
from scriptorium.server import Tokens
from scriptorium.server.endpoint import Endpoint, PortTaken
from scriptorium.server.serve import serve

SERVICE_RECORD_NAME = "service.json"


@define(eq=False)
class StopSwitch:
    """Ends a service from outside: in order, or at once."""

    asked: trio.Event = field(factory=trio.Event)
    _runner: Runner | None = None

    def ask(self) -> None:
        """End in order, within 15 s. In the trio thread; asking again does nothing."""
        self.asked.set()

    def kill_now(self) -> None:
        """Kill every process of every run, synchronously; the caller then ends this process.

        Safe in a signal handler. What was not pinned is pinned by the next start.
        """
        if self._runner is not None:
            self._runner.kill_all_now()

    def _attach(self, runner: Runner) -> None:
        self._runner = runner


async def run_orchestrator(
    repo_path: Path | str,
    *,
    port: int | None = None,
    until_idle: bool = False,
    stop: StopSwitch | None = None,
    events: EventStream | None = None,
    owns_process: bool = False,
) -> Report:
    """Run scriptorium on the repository at `repo_path` (or above it) until it is stopped or idle.

    Args:
        repo_path: a folder in the repository, a linked worktree of it, or a bare repository.
        port: where the MCP server listens on loopback, instead of the config's; 0 = any free one.
        until_idle: end when nothing runs and nothing can be done without someone else.
        stop: the switch that ends the service; without one, cancel.
        events: gets `scriptorium.actors.events` values as they happen.
        owns_process: nothing else in this process starts children, so that orphans of agents which hide where
            they come from can be told from the program's own, and are killed too.

    Returns:
        What is left to do, when it ended by being idle.

    Raises:
        RepositoryProblem: no repository, or one that cannot be worked with.
        ConfigError: `scriptorium.json` has faults.
        PlanMissing: there is no plan branch yet.
        PlanUnusable: nothing can be committed to the plan branch as it is.
        AlreadyRunning: another service holds the repository.
        CannotListen: the configured port is taken.
        SupervisorFailed: an actor crashed again and again.

    Cancelled, no process is left, and the next start continues the work.
    """
    try:
        asked = _Asked(Path(repo_path), port, until_idle, owns_process)
        return await _run(asked, stop or StopSwitch(), events or EventStream())
    except BaseExceptionGroup as group:
        # Nurseries wrap what goes through them; whoever calls this catches the errors named above.
        sole = sole_error(group)
        if sole is group:
            raise
        raise sole from sole.__cause__


@frozen
class _Asked:
    repo_path: Path
    port: int | None
    until_idle: bool
    owns_process: bool


async def _run(asked: _Asked, stop: StopSwitch, events: EventStream) -> Report:
    project = await in_thread(partial(discover, asked.repo_path))
    config = await in_thread(partial(load_config, project.root))
    enable_fsync()
    branch = await in_thread(lambda: base_branch(open_repository(project), config.base_branch))
    await in_thread(partial(require_whole, project, branch))
    remote = await in_thread(partial(_remote, project, config, branch))
    plan = PlanRepository(project.git_dir)
    await in_thread(plan.read)
    await in_thread(partial(ensure_state_dir, project))
    async with single_instance(project.state_dir / "lock", "scriptorium", anchor=project.git_dir):
        runner = default_runner(project.state_dir / "runs", adopts_orphans=asked.owns_process)
        stop._attach(runner)
        await in_thread(partial(clear_carriers, project))
        left = await in_thread(plan.read)
        if (said := await in_thread(partial(look_over, project.git_dir, left))) is not None:
            events.publish(Trouble(said))
        for news in await recover(project, branch, left, runner, in_thread):
            events.publish(news)
        service = _Service(project, config, branch, plan, runner, events, remote)
        return await service.run(port=asked.port, until_idle=asked.until_idle, stop=stop.asked)


@frozen
class _Service:
    project: Project
    config: Config
    branch: str
    plan: PlanRepository
    runner: Runner
    events: EventStream
    remote: Remote | None = None

    async def run(self, *, port: int | None, until_idle: bool, stop: trio.Event) -> Report:
        tokens = Tokens()
        agents = ProcessAgents(
            self.project,
            self.config,
            self.runner,
            tokens,
            say=lambda words: self.events.publish(Trouble(words)),
        )
        world = self._world(agents)
        # Not synced: a verdict that a power cut takes is found out again, and nothing else is lost with it.
        verdicts = VerdictStore(self.project.state_dir / "verdicts", fsync=False)
        async with self._server(tokens, agents, port) as (endpoint, note):
            agents.mcp_url = endpoint.mcp_url
            self.events.publish(ServiceStarted(endpoint.url, note))
            with _service_record(self.project, endpoint, world.timestamp()):
                return await run_actors(world, verdicts, until_idle=until_idle, stop=stop)

    def _world(self, agents: ProcessAgents) -> World:
        news = News()
        conditions = Conditions(self.branch, lambda: self._conditions_changed(conditions, news))
        return World(
            project=self.project,
            config=self.config,
            branch=self.branch,
            plan=PlanStore(
                self.plan, in_thread, lambda _snapshot: news.publish(), conditions.set_plan_blocked
            ),
            agents=agents,
            checks=ProcessChecks(self.project, self.config, self.runner, offload=in_thread),
            offload=PatientOffload(self.project.git_dir, in_thread),
            news=news,
            crew=Crew(self.config.max_agents, news.publish),
            conditions=conditions,
            events=self.events,
            remote=self.remote,
        )

    def _conditions_changed(self, conditions: Conditions, news: News) -> None:
        # Whoever waits for it must hear of it, whether `status` can be told or not.
        news.publish()
        try:
            remote = conditions.remote.document() if conditions.remote else None
            write_conditions(self.project.state_dir, conditions.lines(), remote)
        except OSError as error:
            self.events.publish(Trouble(f"cannot tell `status` what halts the work: {error}"))

    @asynccontextmanager
    async def _server(
        self, tokens: Tokens, agents: ProcessAgents, port: int | None
    ) -> AsyncIterator[tuple[Endpoint, str]]:
        """The MCP server for as long as the block runs: it listens before the first agent starts, and is
        the last to stop. With the address, what to say about it."""
        async with trio.open_nursery() as nursery:
            wanted = self.config.endpoint_port if port is None else port
            start = partial(serve, host=self.config.endpoint_host, tokens=tokens, submit=agents.submit)
            note = ""
            try:
                endpoint: Endpoint = await nursery.start(partial(start, port=wanted))
            except PortTaken:
                if port is not None or self.config.endpoint_set:
                    raise
                note = f" (port {wanted} is taken by another program)"
                endpoint = await nursery.start(partial(start, port=0))
            yield endpoint, note
            nursery.cancel_scope.cancel()


def _remote(project: Project, config: Config, branch: str) -> Remote | None:
    """Where the base is pushed, if anywhere. The settings of the repository are read here, and not again."""
    if not config.remote.push or config.remote.name is None:
        return None
    return open_remote(project, config.remote.name, branch, token_env=config.remote.token_env)


@contextmanager
def _service_record(project: Project, endpoint: Endpoint, started: str) -> Iterator[None]:
    """Say to `status` that this process is the service. A record of a dead process says nothing."""
    path = project.state_dir / SERVICE_RECORD_NAME
    write_service_record(path, endpoint=endpoint.url, started=started)
    try:
        yield
    finally:
        remove_service_record(path)
