"""The configuration ``scriptorium.json``: its values, its defaults, and how the file is read.

A missing file means all defaults. A file with any fault gives no configuration at all, and every fault
is named at once: a service that fell back to defaults would run the wrong checks with the wrong agents.
What may be in the file is in ``config_document``, imported only when there is a file.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import final

import attrs

CONFIG_NAME = "scriptorium.json"

# A configuration of a thousand lines is some 50 kB; what is larger is some other file.
SIZE_LIMIT_BYTES = 1024 * 1024


@final
@attrs.frozen
class AgentConfig:
    """How the agents of one role are started.

    ``harness`` is None when the model's name decides it; ``model`` is None for the CLI's own default;
    ``command`` is the argv that starts the harness's program (None: its usual name on ``PATH``), ``args``
    come after it; ``env`` names further variables to pass on. ``operator_tools`` leaves on the MCP servers,
    hooks and notifiers in the settings of the person that the CLI is logged in for.
    """

    harness: str | None = None
    model: str | None = None
    command: tuple[str, ...] | None = None
    reasoning_effort: str | None = None
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    hard_timeout_seconds: float = 3600.0
    no_output_timeout_seconds: float = 600.0
    max_attempts: int = 3
    operator_tools: bool = False


@final
@attrs.frozen
class Agents:
    """The three roles. A coding agent may take four hours, a planner one."""

    architect: AgentConfig = AgentConfig()
    manager: AgentConfig = AgentConfig()
    coding: AgentConfig = AgentConfig(hard_timeout_seconds=14400.0)


@final
@attrs.frozen
class RemoteConfig:
    """Where the base branch is pushed after each landing: nowhere, unless ``push``.

    ``name`` is a remote of the repository; ``token_env`` names the environment variable with a token for it.
    """

    name: str | None = None
    push: bool = False
    token_env: str | None = None


@final
@attrs.frozen
class Config:
    """Everything a person can set. ``Config()`` is what a repository without a file gets.

    ``endpoint_set`` tells a port that somebody asked for from the default, which may be replaced by any
    free one. ``checks`` is None when not set (``make test``, unless there is no makefile) and empty when
    somebody said on purpose that there is nothing to run; an entry is a shell command or an argv.
    ``check_caches`` are names, or paths from the root, of ignored files and folders that stay between checks;
    ``check_reruns`` is how often a check that failed is run again before that is believed.
    ``recovery`` has a ticket made to mend a base branch that is red.
    ``prompts`` is a folder in the base branch with templates in place of the built-in ones, None for none.
    ``max_runs``, ``max_time_seconds`` and ``max_tokens`` are for all runs of one ticket's agents together.
    """

    agents: Agents = Agents()
    endpoint_host: str = "127.0.0.1"
    endpoint_port: int = 8097
    endpoint_set: bool = False
    base_branch: str | None = None
    remote: RemoteConfig = RemoteConfig()
    checks: tuple[str | tuple[str, ...], ...] | None = None
    check_timeout_seconds: float = 1800.0
    check_env: tuple[str, ...] = ()
    check_caches: tuple[str, ...] = ()
    check_reruns: int = 1
    recovery: bool = False
    prompts: str | None = None
    max_agents: int = 4
    max_reopens: int = 3
    max_runs: int = 100
    max_time_seconds: float = 72 * 3600.0
    max_tokens: int = 200_000_000
    stop_grace_seconds: float = 5.0
    log_level: str = "info"


@final
@attrs.frozen
class Fault:
    """One thing that is wrong: ``path`` is dotted as in ``agents.coding.model``, empty for the whole file."""

    path: str
    problem: str

    def __str__(self) -> str:
        return ": ".join(part for part in (CONFIG_NAME, self.path, self.problem) if part)


@final
class ConfigError(Exception):
    """The configuration file has faults; all of them are in ``faults``. The user's to mend; exit code 78."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


def load_config(root: Path) -> Config:
    """Read ``scriptorium.json`` in ``root`` (the main checkout's root, or a bare repository's folder).

    Raises ConfigError with every fault of the file; a missing file gives the defaults.
    """
    raw = _read_bytes(root)
    if raw is None:
        return Config()
    from scriptorium.config_document import parse_document  # noqa: PLC0415 - cattrs costs a third of `status`

    return parse_document(_decode(raw))


def _fault(problem: str) -> ConfigError:
    return ConfigError((Fault("", problem),))


def _read_bytes(root: Path) -> bytes | None:
    path = root / CONFIG_NAME
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(os.path.realpath(root)):
        raise _fault(f"is a link out of the repository, to {target}; put the file itself there")
    try:
        # Not blocking, so that a FIFO put there cannot hang the command.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if path.is_symlink():
            raise _fault(f"is a link to {target}, which does not exist") from None
        return None
    except OSError as error:
        detail = "is a link that leads to itself" if error.errno == errno.ELOOP else str(error.strerror)
        raise _fault(f"cannot be read: {detail}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _fault("is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(SIZE_LIMIT_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(raw) > SIZE_LIMIT_BYTES:
        raise _fault(f"is larger than {SIZE_LIMIT_BYTES // 1024} KiB; it cannot be a configuration")
    return raw


def dotted(*names: str) -> str:
    """A path of keys as a person writes it, with nothing in it that could act on a terminal."""
    shown = [name if name.isprintable() else json.dumps(name) for name in names]
    return ".".join(name if len(name) <= 80 else name[:77] + "..." for name in shown)


@final
class _Object(dict[str, object]):
    """A decoded JSON object that remembers which keys it had more than once."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, object]]) -> _Object:
    result = _Object(pairs)
    if len(result) < len(pairs):
        names = [name for name, _value in pairs]
        result.repeated = tuple(name for name in result if names.count(name) > 1)
    return result


def _repeated(value: object, path: tuple[str, ...] = ()) -> Iterator[Fault]:
    if isinstance(value, _Object):
        for name in value.repeated:
            yield Fault(dotted(*path, name), "is there more than once; keep one")
        for name, inner in value.items():
            yield from _repeated(inner, (*path, name))


def _not_json(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")


def _decode(raw: bytes) -> object:
    try:
        document: object = json.loads(raw.decode(), object_pairs_hook=_object, parse_constant=_not_json)
        repeated = tuple(_repeated(document))
    except UnicodeDecodeError as error:
        raise _fault(f"is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise _fault(f"is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise _fault("is nested too deeply") from error
    except ValueError as error:
        raise _fault(f"is not JSON: {error}") from error
    if repeated:
        raise ConfigError(repeated)
    return document
