"""Ignore rules: the same answers as git gives, and none that takes long."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scriptorium.code.ignore import IgnoreRules

PATHS = [
    "a",
    "b",
    "a/b",
    "a/c",
    "a/b/c",
    "a/x/b",
    "a/x/y/b",
    "ab",
    "aab",
    "abc",
    "a.log",
    "x/a.log",
    "x y",
    "x ",
    "#a",
    "!a",
    "a-b",
    "a]b",
    "a*b",
    "a\\b",
    "é",
    "Z9",
    "x/build/o",
    "build/o",
    "deep/er/a/b/c",
]

PATTERNS = [
    "a",
    "/a",
    "a/",
    "a/b",
    "/a/b",
    "a/**",
    "**/b",
    "a/**/b",
    "**",
    "*",
    "/*",
    "*.log",
    "a*",
    "*b",
    "a?b",
    "a*b*",
    "[ab]",
    "[!a]",
    "[^a]*",
    "[a-c]b",
    "a[]]b",
    "a[\\]]b",
    "a\\*b",
    "a\\\\b",
    "\\#a",
    "\\!a",
    "#a",
    "x\\ ",
    "x ",
    "x y",
    "[[:alpha:]]",
    "[[:upper:]][[:digit:]]",
    "[[:nope:]]",
    "[a",
    "a\\",
    "a**b",
    "**a",
    "a/*",
    "*/b",
    "**/a/b",
    "deep/**/c",
    "build/",
    "/build",
    "é",
    "a-b",
    "[a-]*",
    "[-a]-b",
    "**/",
    "/",
    "//",
    "a//b",
    "?",
]


def _git_says(folder: Path, rules: bytes, run_git: Callable[..., str]) -> set[str]:
    (folder / ".gitignore").write_bytes(rules)
    found = run_git(folder, "ls-files", "--others", "--ignored", "--exclude-standard", "-z")
    return set(found.split("\0")) - {"", ".gitignore"}


def _ours(rules: bytes) -> set[str]:
    """As the walk asks: from the top down, and nothing below an ignored folder is asked about."""
    ignore = IgnoreRules().with_file(rules)
    found = set()
    for path in [*PATHS, "a/", "x/"]:
        parts = path.encode().split(b"/")
        folders = [b"/".join(parts[:count]) for count in range(1, len(parts))]
        if any(ignore.ignores(folder, is_folder=True) for folder in folders) or ignore.ignores(
            path.encode(), is_folder=False
        ):
            found.add(path)
    return found


FILES = [path for path in PATHS if not any(other.startswith(f"{path}/") for other in PATHS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ignored")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for path in FILES:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    return root


@pytest.mark.parametrize("pattern", PATTERNS)
def test_one_pattern_means_what_git_says(folder: Path, pattern: str, run_git: Callable[..., str]) -> None:
    rules = f"{pattern}\n".encode()

    assert _ours(rules) & set(FILES) == _git_says(folder, rules, run_git)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.tuples(st.sampled_from(["", "!"]), st.sampled_from(PATTERNS)), max_size=5))
def test_files_of_patterns_mean_what_git_says(
    folder: Path, lines: list[tuple[str, str]], run_git: Callable[..., str]
) -> None:
    rules = "".join(f"{sign}{pattern}\n" for sign, pattern in lines).encode()

    assert _ours(rules) & set(FILES) == _git_says(folder, rules, run_git)


def test_a_deeper_file_is_stronger_and_counts_from_its_own_folder() -> None:
    outer = IgnoreRules().with_file(b"*.log\n/only\n")
    inner = outer.with_file(b"!keep.log\n/only\n", b"a/b")

    assert outer.ignores(b"a/x.log", is_folder=False)
    assert not inner.ignores(b"a/b/keep.log", is_folder=False)
    assert inner.ignores(b"a/b/x.log", is_folder=False)
    assert inner.ignores(b"a/b/only", is_folder=False)
    assert not outer.ignores(b"a/only", is_folder=False)


def test_line_ends_and_a_byte_order_mark_are_not_part_of_a_pattern() -> None:
    rules = IgnoreRules().with_file(b"\xef\xbb\xbfa\r\nb\n\n")

    assert rules.ignores(b"a", is_folder=False)
    assert rules.ignores(b"b", is_folder=False)
    assert not rules.ignores(b"c", is_folder=False)


def test_a_pattern_made_to_take_forever_does_not() -> None:
    hostile = b"*a" * 100 + b"b"
    segments = b"/".join([b"**", b"a*"] * 50) + b"/b"
    rules = IgnoreRules().with_file(hostile + b"\n" + segments)

    assert not rules.ignores(b"/".join([b"a" * 250] * 15), is_folder=False)


def test_names_that_are_not_text() -> None:
    rules = IgnoreRules().with_file(b"\xff*\n")

    assert rules.ignores(b"\xffname", is_folder=False)
