"""The list of flaky checks is bounded, and a bad file counts as none."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptorium.code.flakes import FLAKES_NAME, KEPT, Flakes, SeenFlake, add_flake, read_flakes


def flake(number: int) -> SeenFlake:
    return SeenFlake(f"{number:04d}", "make test", 2, "x.log", "2026-01-02T03:04:05Z")


def test_the_last_ones_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    assert read_flakes(tmp_path) == Flakes()
    for number in range(KEPT + 5):
        add_flake(tmp_path, flake(number))
    assert read_flakes(tmp_path) == Flakes(KEPT + 5, tuple(flake(number) for number in range(5, KEPT + 5)))
    assert [path.name for path in tmp_path.iterdir()] == [FLAKES_NAME]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[",
        b"[]",
        b'{"count": true, "last": []}',
        b'{"count": 1, "last": [{}]}',
        b'{"count": 1}',
        b"[" * 9999,
    ],
)
def test_a_bad_file_counts_as_none_and_is_replaced(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FLAKES_NAME).write_bytes(data)
    assert read_flakes(tmp_path) == Flakes()
    add_flake(tmp_path, flake(1))
    assert read_flakes(tmp_path) == Flakes(1, (flake(1),))
