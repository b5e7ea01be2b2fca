"""The same branches and the same free check, landed and pushed to a local bare remote on both sides."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from attrs import define, field

from benchmarks.landing.site import (
    BASE,
    GIT_ENV,
    branch_of,
    git,
    make_repository,
    open_repository_at,
    work_on,
)
from benchmarks.merge_queue.ours import TRUE, make_queue, queue_seconds, settle

ROOT = Path(__file__).resolve().parents[2]
PEER = "mergetrain"
CONFIG = """\
version: 2
project:
  name: bench
git:
  integration_branch: {base}
queue:
  processing: {processing}
gates:
  - name: free
    run: "true"
"""


def is_installed() -> bool:
    """Whether there is a mergetrain to compare with."""
    return find_spec(PEER) is not None


@define
class Sides:
    """Repositories alike, new ones for each round, and the seconds of each way in each round."""

    folder: Path
    files: int
    tickets: int
    ours: list[float] = field(factory=list)
    one_by_one: list[float] = field(factory=list)
    train: list[float] = field(factory=list)

    def measure(self, number: int) -> None:
        """One round, each way once. Durable on our side, as a service is; on theirs what git does."""
        place = self.folder / str(number)
        project = make_queue(place / "ours", self.files, self.tickets)
        remote = place / "remote.git"
        git("clone", "-q", "--bare", "--single-branch", "-b", BASE, str(project.root), str(remote), cwd=place)
        git("remote", "add", "origin", str(remote), cwd=project.root)
        numbers = range(1, self.tickets + 1)
        settle()
        self.ours.append(queue_seconds(project, numbers, durable=True, config=TRUE, pushes=True))
        assert git("rev-parse", BASE, cwd=remote) == git("rev-parse", BASE, cwd=project.root)
        self.one_by_one.append(self._train(place / "ordered", "ordered"))
        self.train.append(self._train(place / "batch", "batch"))

    def _train(self, place: Path, processing: str) -> float:
        origin = make_repository(place / "first", self.files, head=BASE)
        branches = [branch_of(number) for number in range(1, self.tickets + 1)]
        for number in range(1, self.tickets + 1):
            work_on(open_repository_at(origin), number)
        git("clone", "-q", "--bare", str(origin), str(place / "remote.git"), cwd=place)
        git("clone", "-q", str(place / "remote.git"), str(place / "user"), cwd=place)
        for branch in branches:  # it takes a branch from the worktree that its agent has it in
            tree = place / "worktrees" / branch
            git("worktree", "add", "-q", "-b", branch, str(tree), f"origin/{branch}", cwd=place / "user")
        config = place / "mergetrain.yaml"
        config.write_text(CONFIG.format(base=BASE, processing=processing))
        argv = [sys.executable, "-m", f"{__package__}.train", str(config), str(place / "user")]
        argv += ["yes" if processing == "ordered" else "no", *branches]
        settle()
        done = subprocess.run(argv, cwd=ROOT, env=GIT_ENV, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"mergetrain failed:\n{done.stdout}{done.stderr}")
        _require_landed(place / "remote.git", branches)
        return float(done.stdout.split()[-1])


def _require_landed(remote: Path, branches: list[str]) -> None:
    left = git("branch", "--no-merged", BASE, "--list", *branches, cwd=remote)
    if left:
        raise RuntimeError(f"mergetrain has not landed:\n{left}")
