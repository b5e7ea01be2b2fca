"""Landing in repositories as real ones are: what comes out is what the git program makes, byte for byte."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from attrs import define, field, frozen
from trio.testing import MockClock

from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.code.repository import discover
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.init import initialize
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec
from scriptorium.testing import FunctionAgents, FunctionChecks, ended, make_world, run_world
from tests.actors.stage import SPEC, Cast, drafts

from .repository_kinds import git, plain

pytestmark = pytest.mark.slow

SUBMODULE = "vendor/library"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{0}\nsize 5\n"


@frozen
class File:
    """What lies somewhere in a folder: its kind and permissions as git knows them, and its bytes."""

    mode: str
    data: bytes


def listing(folder: Path) -> Mapping[str, File]:
    """Every file and link below a folder, but what is git's, scriptorium's or a submodule's own."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.split("/", maxsplit=1)[0] in {".git", ".scriptorium"} or name.startswith(f"{SUBMODULE}/"):
            continue
        if path.is_symlink():
            found[name] = File("link", bytes(path.readlink()))
        elif path.is_file():
            executable = path.stat().st_mode & stat.S_IXUSR
            found[name] = File("executable" if executable else "file", path.read_bytes())
    return found


def write(folder: Path, path: str, data: str | bytes, mode: int = 0o644) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data if isinstance(data, bytes) else data.encode())
    target.chmod(mode)


def link(folder: Path, path: str, target: str) -> None:
    (folder / path).unlink(missing_ok=True)
    (folder / path).symlink_to(target)


def commit_all(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


@define
class Job:
    """A ticket that makes `edit`, while a person makes `meanwhile` in their checkout and commits it."""

    at: Path
    edit: Callable[[Path], None]
    meanwhile: Callable[[Path], None]
    checked: Mapping[str, File] = field(factory=dict)
    """What lay in the folder where the checks ran on what was to land."""

    async def work(self, job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        self.edit(job.cwd)
        self.meanwhile(self.at)
        commit_all(self.at, "meanwhile")
        answer = await submit("All of it.")
        assert answer.accepted, answer.message
        return ended()

    def judge(self, folder: Path) -> None:
        self.checked = listing(folder)

    async def run(self) -> None:
        project = discover(self.at)
        initialize(project.git_dir)
        PlanRepository(project.git_dir).commit(UpdateSpec(SPEC))
        cast = Cast({"core": "The core.\n"}, {"core": drafts("one")}, coding={"one": [self.work]})
        report = await run_world(make_world(project, FunctionAgents(cast.work), FunctionChecks(self.judge)))
        assert report.leftovers == ()


def by_git(job: Job, start: str, place: Path) -> Path:
    """A clone in which the git program does the same: the ticket's commit, and the merge of it."""
    git(place.parent, "clone", "-q", str(job.at), place.name)
    git(place, "checkout", "-q", "-b", "ticket", start)
    job.edit(place)
    commit_all(place, "ticket")
    git(place, "checkout", "-q", "-B", "main", "origin/main^1")
    git(place, "merge", "-q", "--no-ff", "-m", "landed", "ticket")
    return place


async def land_and_compare(job: Job, place: Path) -> None:
    start = git(job.at, "rev-parse", "main").strip()
    await job.run()
    assert git(job.at, "log", "-1", "--format=%s", "main^1") == "meanwhile\n"
    mine = listing(job.at)
    clone = by_git(job, start, place)
    tree = "{}^{{tree}}"
    for ours, theirs in (("main^2", "ticket"), ("main", "main")):
        landed = git(job.at, "rev-parse", tree.format(ours))
        assert landed == git(clone, "rev-parse", tree.format(theirs)), git(
            job.at, "diff", "--raw", landed.strip(), git(clone, "rev-parse", tree.format(theirs)).strip()
        )
    theirs_files = listing(clone)
    assert mine == theirs_files
    assert job.checked == theirs_files
    assert git(job.at, "status", "--porcelain") == ""
    assert git(job.at, "fsck", "--full", "--strict", "--no-dangling", "--no-progress") == ""


# ---- two thousand files


def many(folder: Path) -> Path:
    """Two thousand files, some of them executable, in folders three deep."""
    kind = plain(folder)
    for number in range(2000):
        path = f"src/{number % 7}/part{number % 41}/file{number}.txt"
        write(folder, path, f"file {number}\n" * 10, 0o755 if number % 100 == 0 else 0o644)
    commit_all(folder, "many")
    return kind.at


def work_on_many(folder: Path) -> None:
    """Changes, removals, new files, moved folders, and permissions."""
    for number, path in enumerate(sorted((folder / "src/1").rglob("*.txt"))):
        match number % 3:
            case 0:
                path.write_text(path.read_text() + "and more\n")
            case 1:
                path.unlink()
            case _:
                path.chmod(0o755)
    (folder / "src/2/part3").rename(folder / "src/2/moved")
    for number in range(100):
        write(folder, f"new/{number % 9}/file{number}.txt", f"new {number}\n")


def meanwhile_in_many(folder: Path) -> None:
    """Other lines of the same files, and other files."""
    for path in sorted((folder / "src/1").rglob("*.txt"))[::3]:
        path.write_text("before all\n" + path.read_text())
    for path in sorted((folder / "src/3").rglob("*.txt"))[::2]:
        path.unlink()


@pytest.mark.req("V1-23", "V1-35")
async def test_two_thousand_files(tmp_path: Path, autojump_clock: MockClock) -> None:
    job = Job(many(tmp_path / "project"), work_on_many, meanwhile_in_many)
    await land_and_compare(job, tmp_path / "clone")


# ---- everything that is not a plain file


ATTRIBUTES = """\
* text=auto
*.bat eol=crlf
*.bin binary
*.psd filter=lfs diff=lfs merge=lfs -text
"""


def awkward(folder: Path) -> Path:
    """Permissions, links, line ends, a submodule that is there, and a file that git-lfs keeps elsewhere."""
    kind = plain(folder)
    plain(folder.parent / "library")
    write(folder, ".gitattributes", ATTRIBUTES)
    write(folder, "run.sh", "#!/bin/sh\n" + "true\n" * 9, 0o755)
    write(folder, "plain.sh", "#!/bin/sh\n")
    write(folder, "both.bat", "".join(f"line {number}\r\n" for number in range(20)))
    write(folder, "gone.bat", "gone\r\n")
    write(folder, "data.bin", b"\0\r\n\n\xff")
    write(folder, "picture.psd", POINTER.format("a" * 64))
    write(folder, "text.txt", "text\n")
    (folder / "latest").symlink_to("run.sh")
    (folder / "nowhere").symlink_to("not/there")
    (folder / "becomes-a-file").symlink_to("run.sh")
    git(folder, "submodule", "--quiet", "add", "../library", SUBMODULE)
    commit_all(folder, "awkward")
    return kind.at


def work_on_awkward(folder: Path) -> None:
    """What an agent may leave: line ends of both sorts, links that turn into files and back, new modes."""
    (folder / "run.sh").chmod(0o644)
    (folder / "plain.sh").chmod(0o755)
    both = (folder / "both.bat").read_bytes()
    write(folder, "both.bat", both + b"at the end\r\n")
    write(folder, "new.bat", "one\ntwo\r\n")
    write(folder, "unix.txt", "one\r\ntwo\r\n")
    write(folder, "data.bin", b"\r\n\0\n" * 100)
    write(folder, "picture.psd", POINTER.format("b" * 64))
    write(folder, "second.psd", POINTER.format("c" * 64))
    link(folder, "latest", "plain.sh")
    link(folder, "new-link", "../out/of/it")
    link(folder, "text.txt", "plain.sh")
    (folder / "becomes-a-file").unlink()
    write(folder, "becomes-a-file", "a file\n", 0o755)
    (folder / "nowhere").unlink()
    write(folder, "nowhere/is/a/folder.bat", "deep\n")


def meanwhile_in_awkward(folder: Path) -> None:
    """The other end of a file with carriage returns, text of a file whose mode the ticket changes."""
    both = (folder / "both.bat").read_bytes()
    write(folder, "both.bat", b"at the start\r\n" + both)
    write(folder, "run.sh", "#!/bin/sh\n" + "true\n" * 9 + "exit 0\n", 0o755)
    (folder / "gone.bat").unlink()
    inside = folder / SUBMODULE
    write(inside, "more.txt", "more\n")
    commit_all(inside, "more")


@pytest.mark.req("V1-23", "V1-35")
async def test_modes_links_line_ends_a_submodule_and_large_files(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    job = Job(awkward(tmp_path / "project"), work_on_awkward, meanwhile_in_awkward)
    await land_and_compare(job, tmp_path / "clone")
    assert (job.at / "new.bat").read_bytes() == b"one\r\ntwo\r\n"
    assert (job.at / SUBMODULE / "more.txt").read_text() == "more\n"
    assert (job.at / "picture.psd").read_text() == POINTER.format("b" * 64)


@pytest.mark.req("V1-35")
async def test_a_filter_that_is_configured_is_not_run(tmp_path: Path, autojump_clock: MockClock) -> None:
    at, ran = awkward(tmp_path / "project"), tmp_path / "ran"
    for name in ("clean", "smudge"):
        # A person's git may run it: that has a home of its own here.
        git(at, "config", f"filter.lfs.{name}", f"[ $HOME = /nonexistent ] || touch '{ran}'; cat")
    git(at, "config", "filter.lfs.required", "true")
    job = Job(at, work_on_awkward, meanwhile_in_awkward)
    await land_and_compare(job, tmp_path / "clone")
    assert not ran.exists()
