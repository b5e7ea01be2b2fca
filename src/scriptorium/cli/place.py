"""Where a command works: the repository it was pointed at, and that repository's configuration."""

from __future__ import annotations

from pathlib import Path

from scriptorium.cli.failure import EXIT_CONFIG, Failure
from scriptorium.code.repository import Project, RepositoryProblem, discover
from scriptorium.config import Config, ConfigError, load_config


def find_project(at: str) -> Project:
    """The repository at or above ``at``; raises Failure that says what is wrong with it."""
    try:
        return discover(Path(at))
    except RepositoryProblem as error:
        raise Failure(str(error)) from error


def read_config(project: Project) -> Config:
    """The repository's configuration; raises Failure with every fault, exit code 78."""
    try:
        return load_config(project.root)
    except ConfigError as error:
        raise Failure(str(error), EXIT_CONFIG) from error


def no_plan(project: Project) -> Failure:
    """What to say when the plan branch is not there."""
    return Failure(f"{project.root}: no plan branch scriptorium/plan yet; make it with: scriptorium --init")
