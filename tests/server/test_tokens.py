"""Tokens: one a run, dead with it, bounded."""

import itertools

import pytest

from scriptorium.server import Tokens, TooManyTokens, limits


def test_a_token_stands_for_its_run_alone() -> None:
    tokens = Tokens()
    first, second = tokens.issue("run-1"), tokens.issue("run-2")
    assert first != second
    assert (tokens.caller(first), tokens.caller(second)) == ("run-1", "run-2")


def test_a_revoked_token_stands_for_nobody() -> None:
    tokens = Tokens()
    token = tokens.issue("run-1")
    tokens.revoke("run-1")
    tokens.revoke("run-1")
    assert tokens.caller(token) is None
    assert len(tokens) == 0


def test_a_run_has_one_token_the_newest() -> None:
    tokens = Tokens()
    old, new = tokens.issue("run-1"), tokens.issue("run-1")
    assert (tokens.caller(old), tokens.caller(new)) == (None, "run-1")
    assert len(tokens) == 1


@pytest.mark.parametrize("guess", ["", "x", "é", "\udcff", "a" * 100_000])
def test_a_wrong_token_of_any_shape_stands_for_nobody(guess: str) -> None:
    tokens = Tokens()
    tokens.issue("run-1")
    assert tokens.caller(guess) is None


def test_tokens_that_are_never_revoked_are_an_error_not_a_leak() -> None:
    numbers = itertools.count()
    tokens = Tokens(new_token=lambda: f"token-{next(numbers)}")
    for number in range(limits.TOKENS):
        tokens.issue(f"run-{number}")
    with pytest.raises(TooManyTokens, match="revoked"):
        tokens.issue("one more")
    tokens.revoke("run-0")
    assert tokens.caller(tokens.issue("one more")) == "one more"
