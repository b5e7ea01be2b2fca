"""A repository with a plan on which the actors play: real git, agents and checks that are functions."""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pygit2
import trio
from attrs import define, evolve, field
from pygit2.enums import CheckoutStrategy

from scriptorium.actors.tree import Report
from scriptorium.actors.world import AgentJob, NoVerdict, Role, SubmitToRun, World
from scriptorium.code.pins import pin_submitted
from scriptorium.code.repository import Project, discover, open_repository
from scriptorium.config import Config
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.audit import Severity, audit_history
from scriptorium.plan.ids import AreaName, Oid, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.snapshot import Snapshot, TicketFile
from scriptorium.plan.transitions import UpdateSpec
from scriptorium.runtime import EventStream, Offload, inline
from scriptorium.testing import FunctionAgents, FunctionChecks, Inbox, ended, listen, make_world, run_world
from tests.plan.plans import Plan, draft_text

T = TypeVar("T")
E = TypeVar("E")

Play = Callable[[AgentJob, SubmitToRun], Awaitable[AgentOutcome]]
"""What a coding agent does in one attempt."""

PlannerPlay = Callable[[AgentJob], Awaitable[AgentOutcome]]
"""What an architect or a manager does in one run."""

SPEC = "# A spec\n\nBuild the parts.\n"
CORE, DOCS = AreaName("core"), AreaName("docs")
EVENTS_KEPT = 100_000


def t(number: int) -> TicketId:
    return TicketId(f"{number:04d}")


def slug_of(job: AgentJob) -> str:
    """The slug of the ticket that a coding job is about."""
    return job.cwd.name.partition("-")[2]


def write(job: AgentJob, path: str, text: str) -> None:
    """What an agent writes in its folder."""
    target = job.cwd / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


async def good(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
    """The usual agent: one new file, submitted."""
    slug = slug_of(job)
    write(job, f"parts/{slug}.txt", f"good {slug}\n")
    answer = await submit(f"Make {slug}.\n\nAll of it.")
    assert answer.accepted, answer.message
    return ended(message=f"I made {slug}.")


def writes(path: str, text: str) -> Play:
    """Writes one file and submits."""

    async def play(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, path, text)
        answer = await submit(f"Write {path}.")
        assert answer.accepted, answer.message
        return ended()

    return play


def ends(outcome: AgentOutcome) -> Play:
    """Ends so, without a submission."""

    async def play(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        await trio.lowlevel.checkpoint()
        return outcome

    return play


@define(eq=False)
class Cast:
    """Who plays what. Each list of plays is played in turn, the last one again and again."""

    areas: Mapping[str, str] = field(factory=dict)
    drafts: Mapping[str, Mapping[str, str]] = field(factory=dict)
    coding: dict[str, list[Play]] = field(factory=dict)
    architects: list[PlannerPlay] = field(factory=list)
    managers: dict[str, list[PlannerPlay]] = field(factory=dict)
    played: dict[str, int] = field(factory=dict)

    async def work(self, job: AgentJob, submit: SubmitToRun | None) -> AgentOutcome:
        """What `FunctionAgents` calls."""
        await trio.lowlevel.checkpoint()
        match job.role:
            case Role.ARCHITECT:
                architects: list[PlannerPlay] = self.architects or [self.architect]
                return await self._next("architect", architects)(job)
            case Role.MANAGER:
                assert job.area is not None
                managers: list[PlannerPlay] = self.managers.get(job.area) or [self.manager]
                return await self._next(f"manager {job.area}", managers)(job)
            case Role.CODING:
                assert submit is not None
                slug = slug_of(job)
                return await self._next(slug, self.coding.get(slug, [good]))(job, submit)

    def _next(self, name: str, plays: list[E]) -> E:
        number = self.played[name] = self.played.get(name, 0) + 1
        return plays[min(number, len(plays)) - 1]

    async def architect(self, job: AgentJob) -> AgentOutcome:
        for area, text in self.areas.items():
            write(job, f"areas/{area}.md", text)
        return ended()

    async def manager(self, job: AgentJob) -> AgentOutcome:
        assert job.area is not None
        for slug, text in self.drafts.get(job.area, {}).items():
            write(job, f"tickets/open/{slug}.md", text)
        return ended()


def is_good(folder: Path) -> str | NoVerdict | None:
    """The usual check: red when a file in `parts/` says bad."""
    bad = sorted(path.name for path in (folder / "parts").glob("*") if "bad" in path.read_text())
    return f"bad: {', '.join(bad)}\n" if bad else None


@define(eq=False)
class Stage:
    """One repository, for one life of the service after the other."""

    plan: Plan
    project: Project
    cast: Cast = field(factory=Cast)
    config: Config = field(factory=Config)
    judge: Callable[[Path], str | NoVerdict | None] = is_good
    offload: Offload = inline
    agents: FunctionAgents = field(init=False)
    checks: FunctionChecks = field(init=False)
    world: World = field(init=False)
    stop: trio.Event = field(init=False)
    told: Inbox = field(init=False)
    _run_numbers: Iterator[int] = field(factory=lambda: count(1), init=False)

    @classmethod
    def build(cls, root: Path, **named: Any) -> Stage:
        """A repository with a first commit on `main`, checked out, and an empty plan."""
        plan = Plan(root)
        repo = pygit2.Repository(str(plan.git_dir))
        index = pygit2.Index()
        for path, text in {"README.md": "# Parts\n", "parts/base.txt": "good base\n"}.items():
            index.add(pygit2.IndexEntry(path, repo.create_blob(text.encode()), pygit2.enums.FileMode.BLOB))
        person = pygit2.Signature("A Person", "person@example.org", 1_700_000_000, 0)
        repo.create_commit("refs/heads/main", person, person, "first", index.write_tree(repo), [])
        repo.checkout_head(strategy=CheckoutStrategy.FORCE)  # type: ignore[no-untyped-call]
        return cls(plan, discover(root), **named)

    # ---- the plan, as a person and the planners make it

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def snapshot(self) -> Snapshot:
        return self.plan.snapshot

    def spec(self, text: str = SPEC) -> None:
        self.plan.repository.commit(UpdateSpec(text))

    def tickets(self, **areas: Mapping[str, str]) -> None:
        """A plan in which these areas have these drafts as open tickets."""
        self.plan.areas(*(AreaName(name) for name in areas))
        for name, drafts in areas.items():
            self.plan.tickets(AreaName(name), **drafts)

    def hand_in(self, ticket: TicketId, files: Mapping[str, str]) -> Oid:
        """As if an agent had done it: files on the ticket's branch, from the base, in the queue."""
        branch = f"scriptorium/ticket-{ticket}"
        self.git("checkout", "-q", "-b", branch)
        self.commit(files)
        self.git("checkout", "-q", "main")
        commit = self.tip(branch)
        pin_submitted(open_repository(self.project), ticket, commit)
        self.plan.assign(ticket)
        self.plan.enqueue(ticket, commit)
        return commit

    def set(self, **settings: Any) -> None:
        """Other settings in the config."""
        self.config = evolve(self.config, **settings)

    def set_attempts(self, most: int) -> None:
        agents = self.config.agents
        self.set(
            agents=evolve(
                agents,
                architect=evolve(agents.architect, max_attempts=most),
                manager=evolve(agents.manager, max_attempts=most),
                coding=evolve(agents.coding, max_attempts=most),
            )
        )

    # ---- a life of the service

    def raise_curtain(self) -> None:
        """Make the world of a new life: what the one before remembered is gone, what it wrote is not."""
        self.agents = FunctionAgents(self.cast.work)
        self.checks = FunctionChecks(self.judge)
        self.stop = trio.Event()
        self.world = make_world(
            self.project,
            self.agents,
            self.checks,
            config=self.config,
            offload=self.offload,
            events=EventStream(),
            run_ids=lambda: f"run-{next(self._run_numbers)}",
        )
        self.world.plan._repository._pause = lambda _seconds: None

    async def run(self, *, until_idle: bool = True, new: bool = True) -> Report:
        """One life, to its end; `told` holds what it told."""
        if new:
            self.raise_curtain()
        async with listen(self.world.events) as self.told:
            return await run_world(self.world, until_idle=until_idle, stop=self.stop)

    def heard(self, kind: type[E]) -> list[E]:
        """The events of this kind in the last life."""
        return [event for event in self.told.received if isinstance(event, kind)]

    # ---- what came of it

    def states(self) -> dict[str, str]:
        """Slug -> state."""
        return {file.slug: str(file.state) for file in self.snapshot.tickets.values()}

    def file(self, slug: str) -> TicketFile:
        return next(file for file in self.snapshot.tickets.values() if file.slug == slug)

    def subjects(self, start: str = "") -> list[str]:
        """The subjects on the plan branch, oldest first, without their common beginning."""
        lines = self.git("log", "--reverse", "--format=%s", "scriptorium/plan").splitlines()
        plain = [line.removeprefix("scriptorium: ") for line in lines]
        return [subject for subject in plain if subject.startswith(start)]

    def landed(self) -> list[str]:
        """The subjects of the landings, oldest first."""
        return self.git("log", "--reverse", "--first-parent", "--merges", "--format=%s", "main").splitlines()

    def show(self, commit: str, path: str) -> str:
        return self.git("show", f"{commit}:{path}")

    def tip(self, branch: str = "main") -> Oid:
        return Oid(self.git("rev-parse", f"refs/heads/{branch}"))

    def refs(self, prefix: str) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname)", prefix).split()

    def git(self, *words: str) -> str:
        return self.plan.git(*words)

    def commit(self, files: Mapping[str, str], message: str = "by hand") -> Oid:
        """What a person commits on the base branch, in their checkout."""
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        self.git("add", *files)
        self.git("commit", "-q", "-m", message)
        return self.tip()

    def assert_sound(self) -> None:
        """The invariants that hold after every end of a life, whatever ended it."""
        audit = audit_history(self.project.git_dir)
        assert [str(found) for found in audit if found.severity is Severity.ERROR] == []
        lines = self.git("rev-list", "--first-parent", "--parents", "main").splitlines()
        submitted = self.git("for-each-ref", "--format=%(objectname)", "refs/scriptorium/submitted").split()
        for line in lines:
            if len(words := line.split()) == 3:
                assert words[2] in submitted

    def assert_finished(self, *slugs: str) -> None:
        """Exactly these tickets, all done, each landed once, and nothing left over."""
        self.assert_sound()
        assert self.states() == dict.fromkeys(slugs, str(TicketState.DONE))
        assert len(self.landed()) == len(slugs)
        assert len(self.subjects("complete ticket")) == len(slugs)
        assert self.refs("refs/scriptorium/landing") == []
        assert self.refs("refs/heads/scriptorium/ticket-*") == []
        assert "worktrees/tickets/" not in self.git("worktree", "list")
        assert self.git("status", "--porcelain") == ""


async def until_landed(stage: Stage, count: int) -> None:
    """Wait, while the stage runs, until so many tickets are done."""
    with stage.world.events.subscribe(EVENTS_KEPT) as subscription:
        while list(stage.states().values()).count("done") < count:
            await anext(subscription)


@contextmanager
def no_error_report() -> Iterator[None]:
    """The runtime logs a crash with its traceback; a crash that a test makes need not be seen."""
    import logging

    logger = logging.getLogger("scriptorium.runtime")
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


def drafts(*slugs: str, **fields: str) -> dict[str, str]:
    """Drafts whose titles are their slugs; `fields` by slug (with _ for -)."""
    return {slug: draft_text(slug, fields=fields.get(slug.replace("-", "_"), "")) for slug in slugs}


def run_git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What an agent does with git in its folder."""
    env = {
        "PATH": "/usr/bin:/bin",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": "/nonexistent",
    }
    identity = ("-c", "user.name=Agent", "-c", "user.email=agent@example.org")
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
