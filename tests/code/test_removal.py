"""Removing what an agent left: one folder's worth of trash at a time, whatever the names in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scriptorium.code.removal import TRASH_PREFIX, Trash


def _take(around: Path, *names: str) -> None:
    with Trash(os.fsencode(around)) as trash:
        for name in names:
            trash.take(os.fsencode(around / name))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_links_and_folders_go_and_nothing_else(tmp_path: Path) -> None:
    around = tmp_path / "around"
    for folder in ("one/a/b/c", "one/a/1", "two/1/2", "kept"):
        (around / folder).mkdir(parents=True)
        (around / folder / "file").write_text("x")
    (around / "one" / "a" / "link").symlink_to(around / "kept")
    (around / "link").symlink_to("kept")
    (around / "file").write_text("x")

    _take(around, "one", "link", "two", "file")

    assert _names(around) == ["kept"]
    assert _names(around / "kept") == ["file"]


def test_the_folder_that_others_are_moved_into_may_be_met_again(tmp_path: Path) -> None:
    """As by one who takes all that a listing shows, while it grows."""
    for name in ("one", "two"):
        (tmp_path / name / "below").mkdir(parents=True)
    with Trash(os.fsencode(tmp_path)) as trash:
        trash.take(os.fsencode(tmp_path / "one"))
        for path in list(tmp_path.iterdir()):
            trash.take(os.fsencode(path))
    assert _names(tmp_path) == []


@pytest.mark.parametrize("deaths", [1, 4])
def test_a_crash_leaves_one_folder_for_the_next_to_sweep(
    tmp_path: Path, deaths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one/a/b", "one/c", "two/d"):
        (tmp_path / name).mkdir(parents=True)
    left = deaths

    def dying(path: bytes) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        real(path)

    real = os.rmdir
    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", dying)
        with pytest.raises(KeyboardInterrupt):
            _take(tmp_path, "one", "two")

    (trash,) = _names(tmp_path)
    assert os.fsencode(trash).startswith(TRASH_PREFIX)
    _take(tmp_path, trash)
    assert _names(tmp_path) == []


def test_what_cannot_be_moved_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()

    def refuse(source: bytes, target: bytes) -> None:
        raise PermissionError(source)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError):
        _take(tmp_path, "one")
    assert _names(tmp_path) == ["one"]
