"""Runs the checks: each command as a process in a folder that holds exactly the tree in question."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from scriptorium.actors.failing_part import failing_part_of
from scriptorium.actors.logs import check_log, next_check_log
from scriptorium.actors.process_agents import program_folder
from scriptorium.actors.world import NoVerdict, new_run_id, rfc3339, utc_now
from scriptorium.code.check_commands import (
    ADD_TARGET,
    configured_commands,
    default_commands,
    lacks_test_target,
)
from scriptorium.code.evidence import CheckCommand, Result, Verdict, checks_key
from scriptorium.code.repository import Project, opened
from scriptorium.config import Config
from scriptorium.harness.environment import RunPlace, check_environment, secrets_of
from scriptorium.harness.process import Runner
from scriptorium.harness.records import RunFacts
from scriptorium.harness.spec import OutcomeKind, ProcessOutcome, ProcessSpec
from scriptorium.plan.ids import Oid
from scriptorium.runtime import Offload, in_thread

_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that somebody else sends; a crash of the check itself (SIGSEGV, SIGABRT, ...) is a verdict."""

TOLD_COMMANDS: Final = 50
TOLD_CHARACTERS: Final = 500
"""Of the commands that a verdict names for people; the configuration has them whole."""

REMEMBERED_TREES: Final = 8

_NO_RULE = re.compile(rb"\*\*\* No rule to make target ['`]test'")


@define(eq=False)
class ProcessChecks:
    """The checks of the config, through the one process runner."""

    project: Project
    config: Config
    runner: Runner
    environment: Mapping[str, str] = field(factory=lambda: dict(os.environ))
    """The service's own; of it a check gets what the contract names."""
    offload: Offload = in_thread
    now: Callable[[], datetime] = utc_now
    new_run_id: Callable[[], str] = new_run_id
    _planned: Mapping[Oid, _Planned] = field(factory=dict, init=False)
    """The last trees asked about. Replaced and never changed, as threads read it."""

    def key(self, tree: Oid) -> str:
        """Verdicts are kept by tree and key."""
        return checks_key(self._of_tree(tree).commands)

    async def run(self, tree: Oid, folder: Path, subject: str) -> Verdict | NoVerdict:
        """Run the commands in order, up to the first that fails."""
        planned, first_log = await self.offload(partial(self._plan, tree, subject))
        commands = planned.commands
        key, seconds, log = checks_key(commands), 0.0, ""
        told = tuple(str(command)[:TOLD_CHARACTERS] for command in commands[:TOLD_COMMANDS])
        for number, command in enumerate(commands, first_log):
            path = check_log(self.project.logs_dir, subject, number)
            outcome = await self._run_one(command, folder, path, number)
            seconds += outcome.duration_seconds
            log = str(path.relative_to(self.project.root))
            problem = self._problem(command, outcome)
            if problem is not None:
                return NoVerdict(f"the check `{command}` {problem}")
            hint = planned.hint(outcome)
            if outcome.kind is not OutcomeKind.EXITED or hint:
                output = await self.offload(partial(failing_part_of, path, outcome.tail))
                return Verdict(
                    tree=tree,
                    checks_key=key,
                    checks=told,
                    result=Result.RED,
                    ending=outcome.describe(),
                    command=str(command),
                    exit_code=outcome.exit_code if outcome.kind is OutcomeKind.FAILED or hint else None,
                    output_tail=output + (f"\n{hint}\n" if hint else ""),
                    log=log,
                    duration_seconds=seconds,
                    finished=rfc3339(self.now()),
                )
        return Verdict(
            tree=tree,
            checks_key=key,
            checks=told,
            result=Result.GREEN,
            no_checks=not commands,
            log=log,
            duration_seconds=seconds,
            finished=rfc3339(self.now()),
        )

    async def _run_one(self, command: CheckCommand, folder: Path, log: Path, number: int) -> ProcessOutcome:
        run_id = self.new_run_id()
        place = RunPlace(run_id, self.project.root, program_folder())
        env = check_environment(self.environment, place=place, pass_on=self.config.check_env)
        spec = ProcessSpec(
            run_id=run_id,
            argv=command.argv,
            cwd=folder,
            env=env,
            log=log,
            secrets=secrets_of(self.environment, env),
            hard_timeout_seconds=self.config.check_timeout_seconds,
            stop_grace_seconds=1.0,
            record=RunFacts(role="check", worktree=str(folder), attempt=number),
            merge_stderr=True,
            syncs_record=False,  # it is there to find the processes by, and to tell `status` of them
        )
        return await self.runner.run(spec)

    def _problem(self, command: CheckCommand, outcome: ProcessOutcome) -> str | None:
        """Why this run says nothing about the tree, if it does not."""
        if outcome.log_error is not None:
            return f"could not be logged: {outcome.log_error}"
        match outcome.kind:
            case OutcomeKind.COULD_NOT_START | OutcomeKind.STOPPED:
                return outcome.describe()
            case OutcomeKind.SIGNALED:
                return outcome.describe() if outcome.signal in _FROM_OUTSIDE else None
            case OutcomeKind.EXITED | OutcomeKind.FAILED | OutcomeKind.NO_OUTPUT | OutcomeKind.HARD_TIMEOUT:
                return None

    def _plan(self, tree: Oid, subject: str) -> tuple[_Planned, int]:
        """What to run, and the number of its first log."""
        planned = self._of_tree(tree)
        return planned, next_check_log(self.project.logs_dir, subject) if planned.commands else 1

    def _of_tree(self, tree: Oid) -> _Planned:
        """A tree is asked about for its verdict, and again when it has none."""
        planned = self._planned.get(tree)
        if planned is None:
            planned = self._look(tree)
            self._planned = {tree: planned, **dict(islice(self._planned.items(), REMEMBERED_TREES - 1))}
        return planned

    def _look(self, tree: Oid) -> _Planned:
        if self.config.checks is not None:
            return _Planned(configured_commands(self.config.checks))
        with opened(self.project) as project:
            commands = default_commands(project.repo, tree)
            by_default = bool(commands)
            return _Planned(commands, by_default, by_default and lacks_test_target(project.repo, tree))


@frozen
class _Planned:
    """What is to be run on a tree; `by_default` because nothing else is configured.

    `lacks_target`: the makefile has no rule for the default check, which then may pass with nothing run.
    """

    commands: tuple[CheckCommand, ...]
    by_default: bool = False
    lacks_target: bool = False

    def hint(self, outcome: ProcessOutcome) -> str:
        """What to do about a makefile without the target; a folder `test` makes that look like success."""
        if outcome.kind is OutcomeKind.FAILED and self.by_default:
            return ADD_TARGET if _NO_RULE.search(outcome.tail) else ""
        return ADD_TARGET if outcome.kind is OutcomeKind.EXITED and self.lacks_target else ""
