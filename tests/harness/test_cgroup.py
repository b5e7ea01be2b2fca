"""A control group for each run: used only where it was delegated, and never relied on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from scriptorium.harness.cgroup import RunGroup, delegated_group
from scriptorium.harness.posix import PosixLauncher
from scriptorium.harness.process import OutcomeKind, ProcessRunner
from scriptorium.harness.runtree import Registry

from .test_process_tree import DOUBLE_FORK, PYTHON, Pids, kill, spec

V2 = "0::/system.slice/scriptorium.service\n"


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """What looks like the control group of a service."""
    folder = tmp_path / "cgroup" / "system.slice" / "scriptorium.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.kill").touch()
    return folder


def detected(tmp_path: Path, own: str = V2) -> Path | None:
    (tmp_path / "own").write_text(own)
    return delegated_group(tmp_path / "own", tmp_path / "cgroup")


@pytest.mark.parametrize("attribute", ["user.delegate", "trusted.delegate"])
def test_a_group_is_ours_to_divide_when_systemd_says_so(
    tmp_path: Path, group: Path, monkeypatch: pytest.MonkeyPatch, attribute: str
) -> None:
    def read(folder: Path, name: str) -> bytes:
        assert folder == group
        if name == attribute:
            return b"1"
        raise OSError(61, "No data available")

    monkeypatch.setattr(os, "getxattr", read)
    assert detected(tmp_path) == group
    assert detected(tmp_path, "4:memory:/x\n" + V2) == group
    assert detected(tmp_path, "4:memory:/system.slice/scriptorium.service\n") is None
    (group / "cgroup.kill").unlink()
    assert detected(tmp_path) is None


def test_a_group_that_could_be_written_to_is_not_ours_for_that(tmp_path: Path, group: Path) -> None:
    assert os.access(group, os.W_OK)
    assert detected(tmp_path) is None


def test_without_a_proc_there_is_no_group(tmp_path: Path) -> None:
    assert delegated_group(tmp_path / "gone") is None


def test_only_a_process_that_is_all_ours_divides_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scriptorium.harness.runtree.delegated_group", lambda: Path("/group"))
    assert Registry(adopts_orphans=False).group_of("r1") is None
    assert Registry(adopts_orphans=True).group_of("r1") == RunGroup(Path("/group/scriptorium-r1"))


def runner_with(groups: Path, folder: Path) -> ProcessRunner:
    launcher = PosixLauncher(Registry(groups=groups))
    return ProcessRunner(folder / "runs", durable=False, launcher=launcher)


async def test_a_run_is_put_into_a_group_of_its_own_which_is_killed_at_its_end(
    tmp_path: Path, group: Path
) -> None:
    run = spec(tmp_path, "/bin/sh", "-c", "echo $$")
    outcome = await runner_with(group, tmp_path).run(run)
    own = group / f"scriptorium-{run.run_id}"
    assert (own / "cgroup.procs").read_bytes() == outcome.tail
    assert (own / "cgroup.kill").read_bytes() == b"1\n"
    assert (group / "cgroup.kill").read_bytes() == b""


async def test_a_process_that_hides_everything_is_found_in_its_group(tmp_path: Path, group: Path) -> None:
    """It cleared its environment, left its session and lost its parent."""
    stop = trio.Event()
    run = spec(
        tmp_path, *PYTHON, DOUBLE_FORK + "escape(rest_unmarked)\ntime.sleep(600)", stop_grace_seconds=0
    )

    def put_in() -> None:  # as the kernel does
        with (group / f"scriptorium-{run.run_id}" / "cgroup.procs").open("a") as procs:
            procs.write(f"{pids.all[0]}\n")
        stop.set()

    pids = Pids(1, put_in)
    outcome = await runner_with(group, tmp_path).run(run, on_line=pids.on_line, stop=stop)
    assert outcome.all_gone
    assert pids.left == []


async def test_a_group_that_holds_the_service_is_not_killed_at_one_blow(tmp_path: Path, group: Path) -> None:
    """A run that puts its own service there ends as any other, and nothing else does."""
    stop = trio.Event()
    run = spec(tmp_path, "/bin/sh", "-c", "echo $$; exec sleep 600", stop_grace_seconds=0)

    def put_in() -> None:
        with (group / f"scriptorium-{run.run_id}" / "cgroup.procs").open("a") as procs:
            procs.write(f"{os.getpid()}\n")
        stop.set()

    pids = Pids(1, put_in)
    outcome = await runner_with(group, tmp_path).run(run, on_line=pids.on_line, stop=stop)
    assert (outcome.all_gone, pids.left) == (True, [])
    assert not (group / f"scriptorium-{run.run_id}" / "cgroup.kill").exists()


async def test_a_group_that_cannot_be_made_changes_nothing(tmp_path: Path) -> None:
    stop = trio.Event()
    run = spec(tmp_path, *PYTHON, DOUBLE_FORK + "escape(rest); rest()", stop_grace_seconds=0)
    pids = Pids(2, stop.set)
    outcome = await runner_with(tmp_path / "not there", tmp_path).run(run, on_line=pids.on_line, stop=stop)
    assert (outcome.all_gone, pids.left) == (True, [])


@pytest.mark.skipif(delegated_group() is None, reason="no control group was delegated to this process")
async def test_the_kernel_keeps_a_run_together(tmp_path: Path) -> None:
    groups = delegated_group()
    assert groups is not None
    stop = trio.Event()
    in_group = "while '/scriptorium-' not in open('/proc/self/cgroup').read(): pass\n"
    program = in_group + DOUBLE_FORK + "escape(rest_unmarked)\ntime.sleep(600)"
    run = spec(tmp_path, *PYTHON, program, stop_grace_seconds=0)
    pids = Pids(1, stop.set)
    outcome = await runner_with(groups, tmp_path).run(run, on_line=pids.on_line, stop=stop)
    survivors = pids.left
    kill(survivors)
    assert (outcome.kind, survivors) == (OutcomeKind.STOPPED, [])
    assert not (groups / f"scriptorium-{run.run_id}").exists()
