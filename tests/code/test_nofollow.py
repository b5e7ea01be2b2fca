"""The ground that everything else stands on: no link is followed, no pipe waited on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scriptorium.code.nofollow import open_below, open_file, open_folder, read_bounded, read_small


def test_a_folder_is_reached_one_component_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("x")

    with open_folder(tmp_path) as root, open_below(root, b"a/b") as below, open_file("file", below) as file:
        assert read_bounded(file, 10) == b"x"
    with open_folder(tmp_path) as root, open_below(root, b"") as below:
        assert os.listdir(below) == ["a"]  # noqa: PTH208 - a descriptor is no path


@pytest.mark.parametrize("path", [b"link", b"link/b", b"a/link", b"a/link/c", b"missing", b"file", b"file/x"])
def test_a_link_anywhere_on_the_way_is_an_error(tmp_path: Path, path: bytes) -> None:
    (tmp_path / "real" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "a" / "link").symlink_to("../real/b")
    (tmp_path / "file").write_text("x")
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - Path would open one more

    with open_folder(tmp_path) as root, pytest.raises(OSError), open_below(root, path):
        pass
    with pytest.raises(OSError), open_folder(tmp_path / "link"):
        pass

    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208


def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    assert read_small(tmp_path / "file", 5) == b"12345"
    assert read_small(tmp_path / "file", 4) is None
    for name in ("link", "pipe", "folder", "missing", "file/below"):
        assert read_small(tmp_path / name, 100) is None
