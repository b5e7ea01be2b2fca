"""The rules for single values in ``scriptorium.json``.

Each takes a decoded JSON value and returns the value to keep, or raises ValueError("must be ...").
They are strict (``"4"`` is not a number, ``null`` is not a string): a file that changed its shape must be
an error, never a silent default.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable
from typing import final
from urllib.parse import urlsplit

import attrs

Rule = Callable[[object], object]

HARNESSES = ("codex", "claude-code", "typoi", "command")
LOG_LEVELS = ("debug", "info", "warning", "error")
LONGEST_SECONDS = 365 * 86400.0

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What git itself refuses in a branch name (git-check-ref-format), as far as a person could type it.
_NOT_IN_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/\.|[/.]$|\.lock(/|$)")


@final
@attrs.frozen
class Endpoint:
    host: str
    port: int


def given(value: object) -> str:
    """A value as it stands in the file, on one line of bounded length."""
    try:
        shown = json.dumps(value)
    except RecursionError:
        return "something nested deeply"
    return shown if len(shown) <= 60 else shown[:57] + "..."


def refuse(wanted: str, value: object) -> ValueError:
    return ValueError(f"must be {wanted}, not {given(value)}")


def _can_be_passed(value: object) -> bool:
    """Whether it is a string that a program can be given: JSON may hold NUL and half surrogates."""
    return isinstance(value, str) and "\0" not in value and not re.search("[\ud800-\udfff]", value)


def text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not _can_be_passed(value):
        raise refuse("a string that is not empty", value)
    return value


def one_of(*names: str) -> Rule:
    def rule(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            near = difflib.get_close_matches(value, names, n=1) if isinstance(value, str) else []
            hint = f' (did you mean "{near[0]}"?)' if near else ""
            raise ValueError(f"must be one of {', '.join(names)}, not {given(value)}{hint}")
        return value

    return rule


def whole(at_least: int, at_most: int) -> Rule:
    def rule(value: object) -> int:
        if type(value) is not int or not at_least <= value <= at_most:
            raise refuse(f"a whole number from {at_least} to {at_most}", value)
        return value

    return rule


def duration(value: object) -> float:
    """Seconds, from a number of seconds or a string such as ``"5m"`` (ms, s, m, h, d)."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)) is not None:
        seconds = float(match[1]) * _UNITS[match[2]]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        # An int of thousands of digits is no float; what is compared first cannot overflow.
        seconds = float(value) if 0 < value <= LONGEST_SECONDS else -1.0
    else:
        seconds = -1.0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise refuse('a number of seconds or a string such as "5m", above 0 and up to 365d', value)
    return seconds


def yes_or_no(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refuse("true or false", value)
    return value


def _listed(value: object, wanted: str, good: Callable[[object], bool]) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise refuse(f"a list of {wanted}", value)
    for index, item in enumerate(value):
        if not good(item):
            raise ValueError(f"must be a list of {wanted}; entry {index + 1} is {given(item)}")
    return tuple(value)


def arguments(value: object) -> tuple[str, ...]:
    return _listed(value, "strings", _can_be_passed)


def argv(value: object) -> tuple[str, ...]:
    words = arguments(value)
    if not words or not words[0].strip():
        raise refuse("an argv: a list of strings that begins with a program", value)
    return words


def variables(value: object) -> tuple[str, ...]:
    return _listed(
        value,
        "names of environment variables",
        lambda item: isinstance(item, str) and _VARIABLE.fullmatch(item) is not None,
    )


def variable(value: object) -> str:
    name = text(value)
    if not _VARIABLE.fullmatch(name):
        raise refuse("the name of an environment variable", value)
    return name


def branch(value: object) -> str:
    name = text(value)
    if _NOT_IN_BRANCH.search(name) or name == "@":
        raise refuse('the name of a branch such as "main"', value)
    if name.startswith("scriptorium/"):
        raise ValueError(f"must not be one of scriptorium's own branches, not {given(value)}")
    return name


def folder(value: object) -> str:
    """A folder in the repository, as git names it; a slash at its end is taken off."""
    wanted = 'the path of a folder in the repository such as "tools/prompts"'
    path = text(value).removesuffix("/")
    parts = path.split("/")
    if not path.isprintable() or "\\" in path or any(part in {"", ".", ".."} for part in parts):
        raise refuse(wanted, value)
    if parts[0].casefold() in {".git", ".scriptorium"}:
        raise ValueError(f"must not be in a folder of git's or scriptorium's own, not {given(value)}")
    return path


def caches(value: object) -> tuple[str, ...]:
    """Names, or paths from the root, of what git ignores; a slash at an end is taken off. No patterns."""
    wanted = 'names or paths in the repository, such as ["node_modules/", "web/.cache"]'
    if not isinstance(value, list):
        raise refuse(f"a list of {wanted}", value)
    for index, item in enumerate(value):
        if not _is_cache(item):
            raise ValueError(
                f"must be a list of {wanted}, without patterns; entry {index + 1} is {given(item)}"
            )
    return tuple(item.removesuffix("/") for item in value)


def _is_cache(item: object) -> bool:
    if not isinstance(item, str) or not item.isprintable() or re.search(r"[\\*?!\[\]]", item):
        return False
    parts = item.removesuffix("/").split("/")
    none_of_ours = {"", ".", "..", ".git", ".scriptorium"}
    return none_of_ours.isdisjoint(part.strip().casefold() for part in parts)


def check_commands(value: object) -> tuple[str | tuple[str, ...], ...]:
    wanted = 'a list of shell commands or argv lists, such as ["make test"]'
    if not isinstance(value, list):
        raise refuse(wanted, value)
    commands: list[str | tuple[str, ...]] = []
    for index, item in enumerate(value):
        try:
            commands.append(argv(item) if isinstance(item, list) else text(item))
        except ValueError:
            raise ValueError(f"must be {wanted}; entry {index + 1} is {given(item)}") from None
    return tuple(commands)


def endpoint(value: object) -> Endpoint:
    wanted = 'an address on this machine such as "http://127.0.0.1:8097"'
    try:
        parts = urlsplit(text(value))
        host, port = parts.hostname, parts.port
    except ValueError:
        raise refuse(wanted, value) from None
    extra = parts.query or parts.fragment or parts.username or parts.path not in {"", "/"}
    if parts.scheme != "http" or extra or port is None:
        raise refuse(wanted, value)
    # Agents are children on this machine; a token sent to another interface could be read there.
    if host is None or not (host in {"localhost", "::1"} or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host)):
        raise refuse(wanted, value)
    return Endpoint(host, port)
