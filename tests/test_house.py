"""The rules of the house: who may import whom, what quick commands may import, what may not be written."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "scriptorium"
MODULES = {path.relative_to(SOURCE).as_posix(): path.read_text() for path in sorted(SOURCE.rglob("*.py"))}
HEAVY = ("trio", "mcp", "rich", "pydantic", "asyncio", "hypercorn", "starlette")


@pytest.mark.slow
def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def imported_by(*words: str, cwd: Path) -> list[str]:
    """The heavy modules that a command has imported by its end."""
    program = (
        "import sys, os\nfrom scriptorium.cli import main\n"
        f"code = main({list(words)!r})\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(code, *heavy, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=True
    )
    code, *heavy = done.stderr.split()
    assert code == "0", done.stderr
    return heavy


@pytest.mark.slow
@pytest.mark.req("V1-00a", "V1-29", "V1-30")
def test_what_is_looked_at_often_imports_nothing_heavy(tmp_path: Path) -> None:
    pygit2.init_repository(str(tmp_path), initial_head="main")
    imported_by("init", cwd=tmp_path)
    for words in (
        "--help",
        "--version",
        "status",
        "status --json",
        "worktrees",
        "status --help",
        "run --help",
    ):
        assert imported_by(*words.split(), cwd=tmp_path) == [], words
    # Parsed by typer, which has pydantic read the options.
    assert imported_by("check", "--fix", "--json", cwd=tmp_path) == ["pydantic"]


def trees() -> Iterator[tuple[str, ast.AST]]:
    for name, text in MODULES.items():
        yield name, ast.parse(text)


def called(node: ast.AST) -> str | None:
    """The dotted name of what a call calls."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else None


def test_nothing_waits_by_sleeping_the_thread() -> None:
    sleeping = [name for name, tree in trees() for node in ast.walk(tree) if called(node) == "time.sleep"]
    assert sleeping == []


def test_processes_are_started_in_the_harness_alone() -> None:
    starts = re.compile(
        r"(subprocess\.|os\.(system|popen|fork|forkpty|posix_spawn|spawn|exec)|trio\.(run_process|lowlevel\.open_process))"
    )
    elsewhere = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if (function := called(node)) is not None
        and starts.match(function)
        and not name.startswith(("harness/", "cli/demo"))
    }
    assert elsewhere == set()


def test_the_git_program_is_never_run() -> None:
    """Its configuration, filters and hooks belong to agents; all of our own git is pygit2."""
    first_words = {
        name: word.value
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) > 1
        for word in node.elts[:1]
        if isinstance(word, ast.Constant) and word.value in {"git", "/usr/bin/git"}
    }
    assert first_words == {}


def test_nothing_is_left_for_later() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b|_for_test\b")
    assert [name for name, text in MODULES.items() if unfinished.search(text)] == []


def test_every_module_says_what_it_is_for_and_none_is_too_long() -> None:
    silent = [name for name, tree in trees() if isinstance(tree, ast.Module) and not ast.get_docstring(tree)]
    assert silent == []
    assert [name for name, text in MODULES.items() if text.count("\n") >= 400] == []


def test_no_function_is_longer_than_can_be_read_at_once() -> None:
    """Forty lines of code; what a docstring says does not count."""
    long = {
        f"{name}: {node.name}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _code_lines(node) > 40
    }
    assert long == set()


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_the_whole_folder_ships_with_its_types_and_prompts() -> None:
    """hatchling puts every file of the package's folder into the wheel, unless something is left out."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert build == {"targets": {"wheel": {"packages": ["src/scriptorium"]}}}
    assert (SOURCE / "py.typed").is_file()
    assert list((SOURCE / "prompts").glob("*.md"))


@pytest.mark.req("V1-00e")
def test_ci_runs_the_tests_on_push_and_pull_request() -> None:
    workflow = (ROOT / ".github" / "workflows" / "build.yml").read_text()
    assert re.search(r"(?m)^on:\n  push:\n  pull_request:\n", workflow)
    assert "      - run: bash .ci/run\n" in workflow
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    steps = [
        shlex.split(line)[2:] for line in script.read_text().splitlines() if line.startswith("step 'make")
    ]
    assert steps == [
        ["make", "check"],
        ["make", "system-test"],
        ["make", "integration-test"],
        ["make", "requirements", "STRICT=V1-00a..V1-35,CA-01..CA-11,U-02"],
    ]
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"(?m)^check:.*\n(\t.*\n)*\t@\$\(MAKE\) --no-print-directory test$", makefile)


@pytest.mark.req("V1-00e")
@pytest.mark.slow
def test_ci_runs_every_step_and_fails_when_one_does(tmp_path: Path) -> None:
    """The script itself, on a project whose targets do nothing but say that they ran."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text((ROOT / ".ci" / "run").read_text())
    targets = {
        "check": "@false",
        "system-test": "@echo ran",
        "integration-test": "@echo ran",
        "requirements": "@echo ran",
    }
    for text, code in ((targets, 1), ({**targets, "check": "@echo ran"}, 0)):
        lines = [f"{target}:\n\t{recipe}\n" for target, recipe in text.items()]
        (tmp_path / "Makefile").write_text(f".PHONY: {' '.join(text)}\n{''.join(lines)}")
        done = subprocess.run(
            ["bash", ".ci/run"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "MAKEFLAGS": ""},
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert done.stdout.splitlines().count("ran") == 4 - code
        closing = done.stdout.partition("=== closing\n")[2].splitlines()
        assert len(closing) == 5
        assert [line.split()[0] for line in closing].count("FAILED") == code
