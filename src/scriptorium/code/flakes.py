"""The flaky checks seen of late: a small file that `status` reads whole, and that may be lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from attrs import asdict, evolve, frozen

FLAKES_NAME: Final = "flakes.json"
KEPT: Final = 20
FILE_LIMIT_BYTES: Final = 1024 * 1024
COMMAND_CHARACTERS: Final = 500


@frozen
class SeenFlake:
    """A check failed on a tree, and passed when it was run again on the same tree.

    `subject` is a ticket id, or `base`; `exit_code` None: stopped by its timeout or died by a signal; `log`
    is of the run that failed; `seen` is RFC 3339 in UTC.
    """

    subject: str
    command: str
    exit_code: int | None
    log: str
    seen: str


@frozen
class Flakes:
    """How many were seen in all, and the last of them, oldest first."""

    count: int = 0
    last: tuple[SeenFlake, ...] = ()

    def document(self) -> dict[str, object]:
        """As `status --json` shows it, and as the file holds it."""
        return {"count": self.count, "last": [asdict(flake) for flake in self.last]}


def read_flakes(state_dir: Path) -> Flakes:
    """What is kept there; none when it cannot be read."""
    try:
        with (state_dir / FLAKES_NAME).open("rb") as file:
            return _parse(json.loads(file.read(FILE_LIMIT_BYTES)))
    except (OSError, ValueError, RecursionError):
        return Flakes()


def add_flake(state_dir: Path, flake: SeenFlake) -> None:
    """Keep one more, in one step; only the merge queue does, one at a time.

    Raises `OSError` when it cannot be written; what was kept is then still there.
    """
    flake = evolve(flake, command=flake.command[:COMMAND_CHARACTERS])
    found = read_flakes(state_dir)
    now = Flakes(found.count + 1, (*found.last, flake)[-KEPT:])
    draft = state_dir / f".{FLAKES_NAME}.new"
    draft.write_text(json.dumps(now.document()), encoding="utf-8")
    draft.replace(state_dir / FLAKES_NAME)


def _parse(facts: object) -> Flakes:
    if not isinstance(facts, dict):
        raise ValueError("not flakes")  # noqa: TRY004 - one error for all that is wrong with a file
    count, last = facts.get("count"), facts.get("last")
    if type(count) is not int or not isinstance(last, list):
        raise ValueError("not flakes")
    return Flakes(count, tuple(_flake(one) for one in last[-KEPT:]))


def _flake(facts: object) -> SeenFlake:
    if not isinstance(facts, dict):
        raise ValueError("not a flake")  # noqa: TRY004
    texts = [facts.get(key) for key in ("subject", "command", "log", "seen")]
    exit_code = facts.get("exit_code")
    if not all(isinstance(text, str) for text in texts) or not (exit_code is None or type(exit_code) is int):
        raise ValueError("not a flake")
    subject, command, log, seen = map(str, texts)
    return SeenFlake(subject, command, exit_code, log, seen)
