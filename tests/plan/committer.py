"""A process that commits to a plan branch as fast as it can, against others; run by test_repository.py."""

import sys
from pathlib import Path

from attrs import frozen

from scriptorium.plan.edits import Edits
from scriptorium.plan.message import Kind, Message
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.snapshot import Snapshot


@frozen
class AddLine:
    """Add a line to the spec: what a lost update would lose, and a doubled one double."""

    line: str

    def apply(self, snapshot: Snapshot) -> Edits:
        assert snapshot.spec is not None
        return Edits(Message(Kind.UPDATE_SPEC), {"spec.md": f"{snapshot.spec.text}{self.line}\n"})


def main(git_dir: str, name: str, count: str) -> None:
    """Commit `count` lines of `name`, once a line comes on standard input."""
    repository = PlanRepository(Path(git_dir))
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    sys.stdin.readline()
    for number in range(int(count)):
        repository.commit(AddLine(f"{name}-{number}"))


if __name__ == "__main__":
    main(*sys.argv[1:])
