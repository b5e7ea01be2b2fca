"""The watcher of system calls sees each that there is, and a kill or an errno takes effect just there."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pygit2
import pytest

from .syscalls import Answer, Call, fail_at, kill_at, watch

pytestmark = pytest.mark.usefixtures("syscalls")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "watched"
    made.mkdir()
    (made / "there").write_text("read me")
    return made


def named(calls: tuple[Call, ...]) -> list[str]:
    return [f"{call.name} {call.path}" for call in calls]


def save(root: Path) -> str:
    """Write a file beside its place, then put it there."""
    text = (root / "there").read_text()
    (root.parent / "outside").write_text("not watched")
    handle = os.open(root / "new", os.O_WRONLY | os.O_CREAT)
    os.write(handle, text.encode())
    os.fsync(handle)
    os.close(handle)
    (root / "new").rename(root / "saved")
    return "saved"


SAVING = ["openat new", "write new", "fsync new", "rename saved"]


def test_each_call_that_changes_a_file_below_the_root_is_counted(root: Path) -> None:
    run = watch(lambda: save(root), root)
    assert run.said == "saved"
    assert named(run.calls) == SAVING
    assert [call.number for call in run.calls] == [1, 2, 3, 4]
    assert (root / "saved").read_text() == "read me"


def test_those_that_read_are_counted_on_demand(root: Path) -> None:
    calls = named(watch(lambda: save(root), root, reads=True).calls)
    assert [call for call in calls if call in SAVING] == SAVING
    assert calls.index("openat there") < calls.index("read there") < calls.index("openat new")


def test_paths_from_a_folder_and_calls_of_other_threads_and_libraries_are_seen(root: Path) -> None:
    def work() -> str:
        folder = os.open(root, os.O_RDONLY)
        os.mkdir("made", dir_fd=folder)
        os.symlink("there", "link", dir_fd=folder)
        os.chdir(root / "made")
        thread = threading.Thread(target=lambda: Path("in-thread").write_text(""))
        thread.start()
        thread.join()
        pygit2.init_repository(str(root / "git"))
        return ""

    calls = named(watch(work, root).calls)
    assert calls[:3] == ["mkdirat made", "symlinkat link", "openat made/in-thread"]
    assert any(call.startswith("write git/") for call in calls)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_killed_before_a_call_it_is_not_made_and_those_before_it_are(root: Path, number: int) -> None:
    run = watch(lambda: save(root), root, kill_at(number))
    assert run.said is None
    assert named(run.calls) == SAVING[:number]
    assert (root / "new").exists() == (number > 1)
    assert not (root / "saved").exists()
    if number > 1:
        assert (root / "new").read_text() == ("read me" if number > 2 else "")


def test_past_the_last_call_there_is_nothing_to_kill(root: Path) -> None:
    assert watch(lambda: save(root), root, kill_at(5)).said == "saved"


def test_a_call_fails_with_the_errno_and_is_not_made(root: Path) -> None:
    def work() -> str:
        try:
            return save(root)
        except OSError as error:
            return f"{error.errno} {(root / 'new').stat().st_size}"

    assert watch(work, root, fail_at(2, errno.ENOSPC)).said == f"{errno.ENOSPC} 0"
    (root / "new").unlink()
    assert watch(work, root, fail_at(4, errno.EACCES)).said == f"{errno.EACCES} 7"
    assert not (root / "saved").exists()


def test_the_child_stands_still_while_the_parent_decides(root: Path) -> None:
    def decide(call: Call) -> Answer:
        if call.name == "rename":
            (root / "new").write_text("changed by the parent")
        return Answer.GO_ON

    watch(lambda: save(root), root, decide)
    assert (root / "saved").read_text() == "changed by the parent"


def test_what_the_work_raises_comes_out(root: Path) -> None:
    def work() -> str:
        raise LookupError("lost")

    with pytest.raises(AssertionError, match=r"(?s)Traceback.*LookupError: lost"):
        watch(work, root)
    with pytest.raises(AssertionError, match="ended with 3"):
        watch(lambda: os._exit(3), root)


def test_what_the_parent_raises_ends_the_child(root: Path) -> None:
    def decide(call: Call) -> Answer:
        raise LookupError(call.name)

    with pytest.raises(LookupError, match="openat"):
        watch(lambda: save(root), root, decide)
    assert not (root / "new").exists()
