"""``plan --from``: a spec that is written already becomes one commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptorium.cli import main

from .conftest import Scriptorium
from .planned import plan_of
from .test_init import git

SPEC = "# A spec\n\nBuild ä.\n"


def subjects(root: Path) -> list[str]:
    return git(root, "log", "--format=%s", "scriptorium/plan").splitlines()


@pytest.mark.req("V1-31")
def test_one_commit_when_it_changed_and_none_when_not(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan_of(repo, 0)
    before = subjects(repo)
    source = tmp_path / "spec.md"
    source.write_text(SPEC)
    assert main(["plan", "--from", str(source), "-C", str(repo)]) == 0
    assert capsys.readouterr().out.startswith("Committed the spec")
    assert git(repo, "show", "scriptorium/plan:spec.md") == SPEC.strip()
    assert main(["plan", "--from", str(source), "-C", str(repo)]) == 0
    assert capsys.readouterr().out.startswith("The spec is the same")
    assert subjects(repo) == ["scriptorium: update spec", *before]


@pytest.mark.slow
@pytest.mark.req("V1-00a")
def test_it_reads_standard_input_and_files_from_where_it_is_called(
    scriptorium: Scriptorium, repo: Path, tmp_path: Path
) -> None:
    assert scriptorium("--init", cwd=repo).returncode == 0
    assert scriptorium("plan", "--from", "-", cwd=repo, stdin=SPEC).returncode == 0
    (tmp_path / "other.md").write_text("# Another\n")
    assert scriptorium("-C", str(repo), "plan", "--from", "other.md", cwd=tmp_path).returncode == 0
    assert subjects(repo) == ["scriptorium: update spec"] * 2 + ["scriptorium: initialize plan branch"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 (byte 0)"),
        (b"x" * (1024 * 1024 + 1), "larger than"),
    ],
    ids=["nothing", "blank", "not UTF-8", "huge"],
)
def test_what_is_no_spec_is_refused_and_nothing_committed(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, told: str
) -> None:
    plan_of(repo, 0)
    before = subjects(repo)
    source = tmp_path / "spec.md"
    source.write_bytes(content)
    assert main(["plan", "--from", str(source), "-C", str(repo)]) == 1
    assert told in capsys.readouterr().err
    assert subjects(repo) == before


def test_a_file_that_is_not_there(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan_of(repo, 0)
    assert main(["plan", "--from", "/missing", "-C", str(repo)]) == 1
    assert capsys.readouterr().err == "scriptorium: /missing: No such file or directory\n"


def test_without_a_plan_it_says_what_to_do(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "spec.md"
    source.write_text(SPEC)
    assert main(["plan", "--from", str(source), "-C", str(repo)]) == 1
    assert "make it with: scriptorium --init" in capsys.readouterr().err
    assert git(repo, "branch", "--format=%(refname:short)") == "main"
