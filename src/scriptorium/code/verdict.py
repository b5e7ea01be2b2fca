"""What is known of a tree once its checks ran to an end: the values, and the file that one is kept in."""

from __future__ import annotations

import enum
import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import asdict, frozen

from scriptorium.plan.ids import Oid, parse_oid

FILE_LIMIT_BYTES: Final = 256 * 1024
"""A verdict is a few KiB; anything larger was not written here."""
EVIDENCE_ID: Final = re.compile(r"[0-9a-f]{12}")
"""What `evidence_id` gives. Of a thousand verdicts no two have the same, but for one time in 10^8."""


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
class Flake:
    """A command failed on a tree that passed when it was run again; the fields are as in `Verdict`."""

    command: str
    exit_code: int | None = None
    log: str = ""


@frozen
class Verdict:
    """The checks named by `checks_key` ran on `tree` to an end, with `result`.

    `no_checks` says that there was nothing to run. When red, `command` is the one that failed, with its
    `exit_code` (None: stopped by its timeout or died by a signal), `ending` (how it ended, in words),
    the failing part of its output, and `log`, the path of all of it. `finished` is RFC 3339 in UTC. `checks`
    are the commands, for people. `base` is the commit of the base branch that the tree was merged on, None
    when it was the base's own. `flake` is the failure that came before a green result, None for none.
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
    base: Oid | None = None
    checks: tuple[str, ...] = ()
    flake: Flake | None = None
    ending: str = ""

    @property
    def flaky(self) -> bool:
        """Whether the checks failed on this tree before they passed."""
        return self.flake is not None


def evidence_id(verdict: Verdict) -> str:
    """A short name for what is kept of these checks on this tree: 12 hexadecimal digits, always the same.

    `VerdictStore.find` finds it by that.
    """
    return short_id(file_stem(verdict.tree, verdict.checks_key))


def file_stem(tree: Oid, checks_key: str) -> str:
    """The name, but for its ending, of the file of these checks on `tree`; `ValueError` for no tree's id."""
    return f"{parse_oid(tree)}-{checks_key[:16]}"


def short_id(stem: str) -> str:
    """`evidence_id` by the file's name alone, so that a file is found without reading the others."""
    return hashlib.sha256(os.fsencode(stem)).hexdigest()[:12]


def read_verdict(path: Path) -> Verdict | None:
    """The verdict in a file; None when there is none, whatever else is there."""
    try:
        with path.open("rb") as file:
            return _parse(file.read(FILE_LIMIT_BYTES + 1))
    except (OSError, ValueError, RecursionError):
        return None


def render_verdict(verdict: Verdict) -> bytes:
    """What `read_verdict` reads."""
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
        base=parse_oid(_text(facts, "base")) if facts.get("base") is not None else None,
        checks=_texts(facts, "checks"),
        flake=_flake(facts.get("flake")),
        ending=_text(facts, "ending") if "ending" in facts else "",
    )


def _flake(facts: object) -> Flake | None:
    if facts is None:
        return None
    if not isinstance(facts, dict):
        raise ValueError("flake is not an object")  # noqa: TRY004
    return Flake(_text(facts, "command"), _whole(facts, "exit_code"), _text(facts, "log"))


def _texts(facts: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = facts.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key} is not a list of texts")
    return tuple(value)


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
