"""The order of words that the parsers get to see."""

from __future__ import annotations

import pytest

from scriptorium.cli.failure import EXIT_USAGE, Failure
from scriptorium.cli.words import command_first, plain_options


@pytest.mark.parametrize(
    ("typed", "seen"),
    [
        ("--init", "init"),
        ("--init PATH", "init PATH"),
        ("init PATH", "init PATH"),
        ("-C X --init PATH", "init -C X PATH"),
        ("-CX -C Y status --json", "status -CX -C Y --json"),
        ("status -C X", "status -C X"),
        ("run --init", "run --init"),
        ("-C X --help", "--help"),
        ("-C X", ""),
        ("", ""),
        ("--version", "--version"),
    ],
)
@pytest.mark.req("V1-00a")
def test_the_command_comes_first(typed: str, seen: str) -> None:
    assert command_first(typed.split()) == seen.split()


def test_a_repository_that_is_not_named_is_wrong_usage() -> None:
    with pytest.raises(Failure, match="-C needs a path") as caught:
        command_first(["-C"])
    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        ("", (".", False)),
        ("--json", (".", True)),
        ("-C x --json", ("x", True)),
        ("-Cx -C y", ("y", False)),
        ("-C", None),
        ("--help", None),
        ("--jso", None),
        ("extra", None),
    ],
)
def test_the_two_plain_options_and_nothing_else(words: str, understood: tuple[str, bool] | None) -> None:
    assert plain_options(words.split()) == understood
