"""What is replaced or removed is freed behind the caller, and handles do not pile up."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scriptorium.plan import freeing
from scriptorium.plan.freeing import CLOSED_TOGETHER, MOST_HELD, freed_behind


@pytest.fixture(autouse=True)
def own_freeing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(freeing, "_freeing", freeing._Freeing())
    yield
    catch_up()


def catch_up() -> None:
    """Wait until the thread, if there is one, has closed all that it was given; the next begins anew."""
    thread = freeing._freeing._thread
    if thread is not None:
        freeing._freeing._batches.put([])
        thread.join()


def held(folder: Path) -> int:
    """How many handles this process has to what was in `folder`."""
    found = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - read at once, as the list is one itself
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith(f"{folder}/")  # noqa: PTH115
        except FileNotFoundError:
            continue
    return found


def replace(folder: Path) -> None:
    (folder / "new").touch()
    with freed_behind(folder / "file"):
        (folder / "new").replace(folder / "file")


def test_what_is_replaced_is_held_until_many_are(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for number in range(1, CLOSED_TOGETHER):
        replace(tmp_path)
        assert held(tmp_path) == number
    replace(tmp_path)
    catch_up()
    assert held(tmp_path) == 0


def test_when_the_disk_is_slow_whoever_comes_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    slow, close = threading.Event(), os.close

    def waiting(handle: int) -> None:
        if threading.current_thread() is freeing._freeing._thread:
            slow.wait()
        close(handle)

    monkeypatch.setattr(os, "close", waiting)
    for _ in range(MOST_HELD + 4):
        replace(tmp_path)
    assert held(tmp_path) == MOST_HELD
    slow.set()
    catch_up()
    assert held(tmp_path) == 0


def test_pipes_links_folders_and_nothing_are_no_trouble(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    with freed_behind(*(tmp_path / name for name in ("pipe", "link", "folder", "nothing"))):
        (tmp_path / "pipe").unlink()
        (tmp_path / "link").unlink()
        (tmp_path / "folder").rmdir()
    assert list(tmp_path.iterdir()) == []
    assert held(tmp_path) == 3


def test_without_threads_few_are_held_and_the_rest_is_closed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    (tmp_path / "file").touch()
    for _ in range(MOST_HELD + 4):
        replace(tmp_path)
    assert held(tmp_path) == MOST_HELD


def test_an_error_comes_out(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), freed_behind(tmp_path / "file"):
        (tmp_path / "file").unlink()
