"""Since when the base is red, and the request to check it again: two small files in the state folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptorium.code.recheck_request import RECHECK_NAME, ask_for_recheck, take_recheck
from scriptorium.code.red_since import RED_SINCE_NAME, forget_red, keep_red_since, red_since

THEN = "2026-01-02T03:04:05Z"


def test_the_time_is_kept_for_its_branch_until_that_is_green(tmp_path: Path) -> None:
    assert red_since(tmp_path, "main") is None
    keep_red_since(tmp_path, "main", THEN)
    assert (red_since(tmp_path, "main"), red_since(tmp_path, "trunk")) == (THEN, None)
    assert [path.name for path in tmp_path.iterdir()] == [RED_SINCE_NAME]
    for _ in range(2):
        forget_red(tmp_path)
        assert red_since(tmp_path, "main") is None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 9999,
        b'{"branch": "main"}',
        b'{"branch": "main", "since": 5}',
        b'{"branch": "main", "since": "\\u001b[31m"}',
        b'{"branch": "main", "since": "2026-01-02T03:04:05Z\\n"}',
    ],
)
def test_what_was_not_written_here_counts_for_nothing(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / RED_SINCE_NAME).write_bytes(damage)
    assert red_since(tmp_path, "main") is None
    keep_red_since(tmp_path, "main", THEN)
    assert red_since(tmp_path, "main") == THEN


def test_a_request_is_granted_once_however_often_it_was_made(tmp_path: Path) -> None:
    assert not take_recheck(tmp_path)
    ask_for_recheck(tmp_path)
    ask_for_recheck(tmp_path)
    assert take_recheck(tmp_path)
    assert not take_recheck(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_taken_is_no_request(tmp_path: Path) -> None:
    (tmp_path / RECHECK_NAME).mkdir()
    assert not take_recheck(tmp_path)
