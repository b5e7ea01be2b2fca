"""What a person has lent their Codex: MCP servers, hooks, a notifier; and how to do without.

An agent that works alone must not act with tools that were meant for a person at the keyboard. Model,
provider and credentials of the same settings keep working, so they are not left out as a whole.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

Setting = tuple[str, str]
"""A dotted key and a TOML value, as `codex -c` takes them."""

_MAX_CONFIG_BYTES: Final = 4 * 1024 * 1024
_SERVER: Final = re.compile(r"[A-Za-z0-9_-]+")
"""The names that Codex itself accepts; no other can be a server, or a part of a dotted key."""


def switched_off(env: Mapping[str, str]) -> tuple[Setting, ...]:
    """The settings that switch off one by one what is in `$CODEX_HOME`; none when there is nothing.

    Settings that cannot be read switch off nothing: Codex refuses them itself, and says why.
    """
    home = _home(env)
    return () if home is None else tuple(_settings(home))


def _home(env: Mapping[str, str]) -> Path | None:
    if env.get("CODEX_HOME"):
        return Path(env["CODEX_HOME"])
    return Path(env["HOME"], ".codex") if env.get("HOME") else None


def _settings(home: Path) -> Iterator[Setting]:
    config = _read(home / "config.toml")
    servers = config.get("mcp_servers")
    for name in sorted(servers) if isinstance(servers, dict) else ():
        if _SERVER.fullmatch(name) and name != "scriptorium":
            yield f"mcp_servers.{name}.enabled", "false"
    if "hooks" in config or (home / "hooks.json").exists():
        yield "features.hooks", "false"
    if "notify" in config:
        yield "notify", "[]"


def _read(path: Path) -> Mapping[str, object]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - it is a descriptor
            return tomllib.loads(file.read(_MAX_CONFIG_BYTES).decode())
    except (OSError, ValueError, RecursionError):
        return {}
