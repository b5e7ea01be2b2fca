"""What checking makes and landing needs: verdicts on trees, kept across restarts, and the proof that
a tree passed. A verdict is about a tree and a list of commands; where it was reached does not matter.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, final

from attrs import asdict, field, frozen

from scriptorium.plan.ids import Oid, parse_oid

if TYPE_CHECKING:  # `status` reads verdicts and merges nothing
    from scriptorium.code.merge import Merged

FILE_LIMIT_BYTES: Final = 256 * 1024
"""A verdict is a few KiB; anything larger was not written here."""
KEPT_VERDICTS: Final = 1000
"""A few MB at most, and far more trees than are of interest at one time."""
SLACK: Final = 1 / 8
"""By how much of the bound there may be more: a listing of all for each verdict would cost more than it."""


@frozen
class CheckCommand:
    """One command that must pass: a shell command, or an argv of at least one word."""

    command: str | tuple[str, ...]

    @property
    def argv(self) -> tuple[str, ...]:
        """What is started."""
        return ("/bin/sh", "-c", self.command) if isinstance(self.command, str) else self.command

    def __str__(self) -> str:
        return self.command if isinstance(self.command, str) else shlex.join(self.command)


def checks_key(commands: Sequence[CheckCommand]) -> str:
    """A name for this list of commands: equal lists, in the same order, have equal keys."""
    listed = [
        command.command if isinstance(command.command, str) else list(command.command) for command in commands
    ]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


class Result(enum.Enum):
    """How a tree did."""

    GREEN = "green"
    RED = "red"


@frozen
class Verdict:
    """The checks named by `checks_key` ran on `tree` to an end, with `result`.

    `no_checks` says that there was nothing to run. When red, `command` is the one that failed, with its
    `exit_code` (None: stopped by its timeout or died by a signal), the end of its output and `log`, the
    path of all of it. `finished` is RFC 3339 in UTC.
    """

    tree: Oid
    checks_key: str
    result: Result
    no_checks: bool = False
    command: str | None = None
    exit_code: int | None = None
    output_tail: str = ""
    log: str = ""
    duration_seconds: float = 0.0
    finished: str = ""


class NotEvidence(ValueError):
    """A verdict does not prove what was to be landed: it is red, or on another tree. The caller's fault."""


@final
@frozen(init=False)
class Evidence:
    """Proof that `tree`, the merge of `base` and `submission`, passed: what landing asks for.

    There is no constructor; `evidence_for` makes it.
    """

    base: Oid
    submission: Oid
    tree: Oid
    verdict: Verdict = field(repr=False)

    def __init__(self) -> None:
        raise TypeError("Evidence comes from evidence_for() only")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("Evidence has no subclasses")


def evidence_for(merged: Merged, verdict: Verdict) -> Evidence:
    """The proof that `merged` may land.

    Raises:
        NotEvidence: the verdict is red, or about another tree.
    """
    if verdict.result is not Result.GREEN:
        raise NotEvidence(f"tree {verdict.tree} did not pass its checks")
    if verdict.tree != merged.tree:
        raise NotEvidence(f"the verdict is on tree {verdict.tree}, the merge is tree {merged.tree}")
    evidence = object.__new__(Evidence)
    evidence.__attrs_init__(merged.base, merged.submission, merged.tree, verdict)
    return evidence


class VerdictStore:
    """Verdicts in the folder `directory`, a file each, of which the newest `kept` stay, and few others.

    Losing the folder costs running checks again, so a file that cannot be read counts as absent. With
    `fsync` a verdict that `put` returned from outlives a power cut.
    """

    def __init__(self, directory: Path, *, kept: int = KEPT_VERDICTS, fsync: bool = True) -> None:
        if kept < 1:
            raise ValueError("at least one verdict must be kept")
        self._directory = directory
        self._kept = kept
        self._fsync = fsync
        self._room = 0

    def get(self, tree: Oid, checks_key: str) -> Verdict | None:
        """The verdict of these checks on `tree`, or None when it is not known."""
        try:
            with self._path(tree, checks_key).open("rb") as file:
                data = file.read(FILE_LIMIT_BYTES + 1)
            verdict = _parse(data)
        except (OSError, ValueError, RecursionError):
            return None
        return verdict if (verdict.tree, verdict.checks_key) == (tree, checks_key) else None

    def put(self, verdict: Verdict) -> None:
        """Keep `verdict` in place of an earlier one; past the bound the oldest others are dropped.

        Raises `OSError` when it cannot be written; an earlier verdict is then still there.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(verdict.tree, verdict.checks_key)
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(_render(verdict))
            file.flush()
            if self._fsync:
                os.fsync(file.fileno())
        temporary.replace(path)
        if self._fsync:
            _sync_folder(self._directory)
        self._drop_oldest(keep=path)

    def _path(self, tree: Oid, checks_key: str) -> Path:
        return self._directory / f"{parse_oid(tree)}-{checks_key[:16]}.json"

    def _drop_oldest(self, *, keep: Path) -> None:
        """Look whether there are too many, but only when as many were put as there was room for."""
        if self._room > 0:
            self._room -= 1
            return
        others = [path for path in self._directory.glob("*.json") if path != keep]
        slack = int(self._kept * SLACK)
        excess = len(others) + 1 - self._kept
        if excess > slack:
            for path in sorted(others, key=_written)[:excess]:
                path.unlink(missing_ok=True)
            excess = 0
        self._room = slack - excess


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _sync_folder(directory: Path) -> None:
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _render(verdict: Verdict) -> bytes:
    return json.dumps({**asdict(verdict), "result": verdict.result.value}, indent=1).encode()


def _parse(data: bytes) -> Verdict:
    """The verdict in `data`; raises `ValueError` for whatever is not one. Unknown keys are left aside."""
    if len(data) > FILE_LIMIT_BYTES:
        raise ValueError("too long for a verdict")
    facts = json.loads(data)
    if not isinstance(facts, dict):
        raise ValueError("not a verdict")  # noqa: TRY004 - one error for all that is wrong with a file
    return Verdict(
        tree=parse_oid(_text(facts, "tree")),
        checks_key=_text(facts, "checks_key"),
        result=Result(_text(facts, "result")),
        no_checks=facts.get("no_checks") is True,
        command=_text(facts, "command") if facts.get("command") is not None else None,
        exit_code=_whole(facts, "exit_code"),
        output_tail=_text(facts, "output_tail"),
        log=_text(facts, "log"),
        duration_seconds=_seconds(facts, "duration_seconds"),
        finished=_text(facts, "finished"),
    )


def _text(facts: Mapping[str, object], key: str) -> str:
    value = facts.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key} is not text")  # noqa: TRY004
    return value


def _whole(facts: Mapping[str, object], key: str) -> int | None:
    value = facts.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"{key} is not a whole number")
    return value


def _seconds(facts: Mapping[str, object], key: str) -> float:
    value = facts.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} is not a number")  # noqa: TRY004
    return float(value)
