"""The environment of agents and of checks: exactly what the contract lists, out of the service's. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from scriptorium.harness.proc import MARK

MCP_TOKEN: Final = "SCRIPTORIUM_MCP_TOKEN"  # noqa: S105 - the name of the variable
MCP_URL: Final = "SCRIPTORIUM_MCP_URL"

_OWN_PREFIX: Final = "SCRIPTORIUM_"
_PLAIN: Final = ("HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR")
_LOCALE: Final = ("LANG", "LANGUAGE")
_LOCALE_PREFIX: Final = "LC_"
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY")
_NO_PROXY: Final = ("NO_PROXY", "no_proxy")
_LOOPBACK: Final = ("127.0.0.1", "localhost")
_AGENT_FOLDERS: Final = ("CODEX_HOME", "CLAUDE_CONFIG_DIR", "IS_SANDBOX")
_PROVIDERS: Final = ("CODEX_API_KEY",)
_PROVIDER_PREFIXES: Final = ("OPENAI_", "ANTHROPIC_")
_SECRET_ENDINGS: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSPHRASE", "CREDENTIALS")


@frozen
class RunPlace:
    """What a run is told of where it belongs. `scriptorium_folder` is where the `scriptorium` program is."""

    run_id: str
    repo: Path
    scriptorium_folder: Path
    ticket: str | None = None
    area: str | None = None


@frozen
class McpAccess:
    """How one run reaches its tools."""

    url: str
    token: str = field(repr=False)


def agent_environment(
    service: Mapping[str, str],
    *,
    role: str,
    place: RunPlace,
    mcp: McpAccess | None = None,
    pass_on: Iterable[str] = (),
) -> dict[str, str]:
    """The whole environment of an agent.

    `service` is the service's own; `mcp` is for coding agents alone; `pass_on` are the names from
    `agents.<role>.env`. What scriptorium says itself cannot be overridden.
    """
    kept = _common(service, place) | {
        name: value
        for name, value in service.items()
        if name in _PROVIDERS or name.startswith(_PROVIDER_PREFIXES)
    }
    own = {"SCRIPTORIUM_ROLE": role} | _place(place)
    if mcp is not None:
        own |= {MCP_URL: mcp.url, MCP_TOKEN: mcp.token}
    return kept | _named(service, pass_on) | own


def check_environment(
    service: Mapping[str, str], *, place: RunPlace, pass_on: Iterable[str] = ()
) -> dict[str, str]:
    """The whole environment of a check: an agent's without role, tools, providers and `agents.<role>.env`.

    `pass_on` are the names from `checkEnv`.
    """
    return _common(service, place) | _named(service, pass_on) | _place(place)


def is_for_all(name: str) -> bool:
    """Whether every agent and every check is given this variable, or one of this name."""
    return _is_plain(name) or name in {"PATH", MARK} or name.upper() in _PROXIES


def secrets_of(*environments: Mapping[str, str]) -> tuple[str, ...]:
    """The values that must not be seen in a log: the token, and variables that are named like a secret.

    The service's environment is to be among them: what it does not hand on, an agent of the same user may
    still find elsewhere, in the person's own files say.
    """
    found = {
        value
        for environment in environments
        for name, value in environment.items()
        if value and name.upper().endswith(_SECRET_ENDINGS)
    }
    return tuple(sorted(found))


def _common(service: Mapping[str, str], place: RunPlace) -> dict[str, str]:
    kept = {name: value for name, value in service.items() if _is_plain(name)}
    kept["PATH"] = _path(service.get("PATH"), place.scriptorium_folder)
    return kept | _proxies(service)


def _is_plain(name: str) -> bool:
    return name in _PLAIN or name in _LOCALE or name.startswith(_LOCALE_PREFIX) or name in _AGENT_FOLDERS


def _path(path: str | None, last: Path) -> str:
    folders = (path or os.defpath).split(os.pathsep)
    return os.pathsep.join(folders if str(last) in folders else [*folders, str(last)])


def _proxies(service: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in service.items() if name.upper() in _PROXIES}
    if not found:
        return {}
    # Programs differ in which spelling they read, so both say the same.
    hosts = [host for name in _NO_PROXY for host in found.get(name, "").split(",")]
    merged = ",".join(dict.fromkeys(host.strip() for host in (*hosts, *_LOOPBACK) if host.strip()))
    return found | dict.fromkeys(_NO_PROXY, merged)


def _place(place: RunPlace) -> dict[str, str]:
    said = {MARK: place.run_id, "SCRIPTORIUM_REPO": str(place.repo)}
    if place.ticket is not None:
        said["SCRIPTORIUM_TICKET"] = place.ticket
    if place.area is not None:
        said["SCRIPTORIUM_AREA"] = place.area
    return said


def _named(service: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    # A service that was itself started by an agent must not hand on what that agent was given.
    return {name: service[name] for name in names if name in service and not name.startswith(_OWN_PREFIX)}
