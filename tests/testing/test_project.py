"""A sample repository: what is in it, and that it is the same every time."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest

from scriptorium.code.repository import Project
from scriptorium.plan.init import PlanExists
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.repository import PlanRepository
from scriptorium.testing import START, sample_project


def test_a_sample_has_a_first_commit_that_is_checked_out_and_a_plan(tmp_path: Path) -> None:
    files = {"src/app.py": "print()\n", "Makefile": "test:\n"}
    project = sample_project(tmp_path / "new" / "project", spec="# Do it\n", files=files)
    repository = pygit2.Repository(str(project.git_dir))
    assert repository.head.shorthand == "main"
    assert {entry.path for entry in repository.index} == set(files)
    assert (project.root / "src/app.py").read_text() == "print()\n"
    assert repository.status() == {}
    spec = PlanRepository(project.git_dir).read().spec
    assert spec is not None
    assert spec.text == "# Do it\n"


def history(project: Project, ref: str) -> list[pygit2.Commit]:
    repository = pygit2.Repository(str(project.git_dir))
    return list(repository.walk(repository.references[ref].target))


def test_two_samples_are_the_same_to_the_commit(tmp_path: Path) -> None:
    projects = [sample_project(tmp_path / name, spec="# A\n") for name in ("one", "two")]
    for ref in ("refs/heads/main", PLAN_REF):
        one, two = (history(project, ref) for project in projects)
        assert [commit.id for commit in one] == [commit.id for commit in two]
        assert {commit.commit_time for commit in one} == {START.timestamp()}


def test_without_a_spec_nothing_is_planned_and_a_second_time_is_refused(tmp_path: Path) -> None:
    project = sample_project(tmp_path)
    spec = PlanRepository(project.git_dir).read().spec
    assert spec is not None
    assert spec.is_placeholder
    with pytest.raises(PlanExists):
        sample_project(tmp_path)
    assert (tmp_path / "README.md").read_text() == "# A sample\n"
