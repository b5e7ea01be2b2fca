"""What may be in ``scriptorium.json``: the table of its keys, and how a fault in it is told.

cattrs gathers all faults at once, each with its path; the rules for single values are in ``config_rules``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any, cast, final

import attrs
import cattrs
from cattrs.errors import AttributeValidationNote, ClassValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from scriptorium import config_rules as rules
from scriptorium.config import AgentConfig, Agents, Config, ConfigError, Fault, RemoteConfig, dotted
from scriptorium.config_rules import Endpoint, Rule


@final
@attrs.frozen
class _Endpoints:
    local: Endpoint | None = None


@final
@attrs.frozen
class _Concurrency:
    max_agents: int = Config().max_agents


@final
@attrs.frozen
class _Tickets:
    max_reopens: int = Config().max_reopens
    max_runs: int = Config().max_runs
    max_time_seconds: float = Config().max_time_seconds
    max_tokens: int = Config().max_tokens


@final
@attrs.frozen
class _Document:
    """The file's own shape: what it nests, ``Config`` has flat."""

    agents: Agents = Config().agents
    endpoints: _Endpoints = _Endpoints()
    base_branch: str | None = None
    remote: RemoteConfig = Config().remote
    checks: tuple[str | tuple[str, ...], ...] | None = None
    check_timeout_seconds: float = Config().check_timeout_seconds
    check_env: tuple[str, ...] = ()
    check_caches: tuple[str, ...] = ()
    check_reruns: int = Config().check_reruns
    recovery: bool = Config().recovery
    prompts: str | None = None
    concurrency: _Concurrency = _Concurrency()
    tickets: _Tickets = _Tickets()
    stop_grace_seconds: float = Config().stop_grace_seconds
    log_level: str = Config().log_level


@final
@attrs.frozen
class _Key:
    """A key as it is written in the file, and the rule for its value or the section it opens."""

    name: str
    takes: Rule | type[Any]


_KEYS: dict[type[Any], dict[str, _Key]] = {
    _Document: {
        "agents": _Key("agents", Agents),
        "endpoints": _Key("endpoints", _Endpoints),
        "base_branch": _Key("baseBranch", rules.branch),
        "remote": _Key("remote", RemoteConfig),
        "checks": _Key("checks", rules.check_commands),
        "check_timeout_seconds": _Key("checkTimeout", rules.duration),
        "check_env": _Key("checkEnv", rules.variables),
        "check_caches": _Key("checkCaches", rules.caches),
        "check_reruns": _Key("checkReruns", rules.whole(0, 5)),
        "recovery": _Key("recovery", rules.yes_or_no),
        "prompts": _Key("prompts", rules.folder),
        "concurrency": _Key("concurrency", _Concurrency),
        "tickets": _Key("tickets", _Tickets),
        "stop_grace_seconds": _Key("stopGrace", rules.duration),
        "log_level": _Key("logLevel", rules.one_of(*rules.LOG_LEVELS)),
    },
    Agents: {role: _Key(role, AgentConfig) for role in ("architect", "manager", "coding")},
    AgentConfig: {
        "harness": _Key("harness", rules.one_of(*rules.HARNESSES)),
        "model": _Key("model", rules.text),
        "command": _Key("command", rules.argv),
        "reasoning_effort": _Key("reasoningEffort", rules.text),
        "args": _Key("args", rules.arguments),
        "env": _Key("env", rules.variables),
        "hard_timeout_seconds": _Key("hardTimeout", rules.duration),
        "no_output_timeout_seconds": _Key("noOutputTimeout", rules.duration),
        "max_attempts": _Key("maxAttempts", rules.whole(1, 1000)),
        "operator_tools": _Key("operatorTools", rules.yes_or_no),
    },
    _Endpoints: {"local": _Key("local", rules.endpoint)},
    RemoteConfig: {
        "name": _Key("name", rules.text),
        "push": _Key("push", rules.yes_or_no),
        "token_env": _Key("tokenEnv", rules.variable),
    },
    _Concurrency: {"max_agents": _Key("maxAgents", rules.whole(1, 256))},
    _Tickets: {
        "max_reopens": _Key("maxReopens", rules.whole(0, 1000)),
        "max_runs": _Key("maxRuns", rules.whole(1, 100_000)),
        "max_time_seconds": _Key("maxTime", rules.duration),
        "max_tokens": _Key("maxTokens", rules.whole(1, 10**12)),
    },
}


def parse_document(document: object) -> Config:
    """The configuration that a decoded JSON document says. Raises ConfigError with every fault."""
    faults: list[Fault] = []
    parsed: _Document | None = None
    try:
        parsed = _converter().structure(_with_role_defaults(document), _Document)
    except ClassValidationError as error:
        faults += _faults(error, _Document, ())
    except ValueError as error:
        faults.append(Fault("", str(error)))
    faults += _roles_without_command(document)
    if parsed is not None and parsed.remote.push and parsed.remote.name is None:
        faults.append(Fault("remote.name", 'must be set to push: the name of a remote, such as "origin"'))
    if parsed is None or faults:
        raise ConfigError(tuple(sorted(faults, key=lambda fault: fault.path)))
    return _config(parsed)


def _config(document: _Document) -> Config:
    default, local = Config(), document.endpoints.local
    return Config(
        agents=document.agents,
        endpoint_host=default.endpoint_host if local is None else local.host,
        endpoint_port=default.endpoint_port if local is None else local.port,
        endpoint_set=local is not None,
        base_branch=document.base_branch,
        remote=document.remote,
        checks=document.checks,
        check_timeout_seconds=document.check_timeout_seconds,
        check_env=document.check_env,
        check_caches=document.check_caches,
        check_reruns=document.check_reruns,
        recovery=document.recovery,
        prompts=document.prompts,
        max_agents=document.concurrency.max_agents,
        max_reopens=document.tickets.max_reopens,
        max_runs=document.tickets.max_runs,
        max_time_seconds=document.tickets.max_time_seconds,
        max_tokens=document.tickets.max_tokens,
        stop_grace_seconds=document.stop_grace_seconds,
        log_level=document.log_level,
    )


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    # Sections first: a class is compiled with the hooks of the classes inside it.
    for cls in (AgentConfig, Agents, _Endpoints, RemoteConfig, _Concurrency, _Tickets, _Document):
        converter.register_structure_hook(cls, _section(converter, cls))
    return converter


def _section(converter: cattrs.Converter, cls: type[Any]) -> Callable[[Any, Any], Any]:
    overrides: dict[str, Any] = {
        attribute: override(rename=key.name)
        if isinstance(key.takes, type)
        else override(rename=key.name, struct_hook=_hook(key.takes))
        for attribute, key in _KEYS[cls].items()
    }
    structure = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True, **overrides)

    def structure_object(value: object, target: type[Any]) -> object:
        if not isinstance(value, dict):
            raise rules.refuse('an object such as {"key": "value"}', value)
        return structure(value, target)

    return structure_object


def _hook(rule: Rule) -> Callable[[Any, Any], Any]:
    return lambda value, _type: rule(value)


def _role(document: object, role: str) -> dict[str, object]:
    """What the file says of a role; empty when it says nothing, or something that is no object."""
    agents = document.get("agents") if isinstance(document, dict) else None
    found = agents.get(role) if isinstance(agents, dict) else None
    return found if isinstance(found, dict) else {}


def _with_role_defaults(document: object) -> object:
    """A coding agent that is described without a hard timeout keeps its role's, not the planners'."""
    coding = _role(document, "coding")
    if not coding:
        return document
    whole = cast("dict[str, dict[str, object]]", document)
    filled = {"hardTimeout": Agents().coding.hard_timeout_seconds, **coding}
    return {**whole, "agents": {**whole["agents"], "coding": filled}}


def _roles_without_command(document: object) -> Iterator[Fault]:
    for role in _KEYS[Agents]:
        said = _role(document, role)
        if said.get("harness") == "command" and "command" not in said:
            yield Fault(
                f"agents.{role}.command", 'must be set when the harness is "command": it starts the agent'
            )


def _faults(error: ClassValidationError, cls: type[Any], path: tuple[str, ...]) -> Iterator[Fault]:
    for problem in error.exceptions:
        if isinstance(problem, ForbiddenExtraKeysError):
            for name in problem.extra_fields:
                yield Fault(dotted(*path, name), f"unknown key ({_nearest(name, cls)})")
            continue
        key = _KEYS[cls][_attribute(problem)]
        if isinstance(problem, ClassValidationError) and isinstance(key.takes, type):
            yield from _faults(problem, key.takes, (*path, key.name))
        else:
            yield Fault(dotted(*path, key.name), str(problem))


def _attribute(problem: BaseException) -> str:
    """The attribute that cattrs noted on a fault; without one it is no fault of the file but a bug."""
    for note in getattr(problem, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return note.name
    raise problem


def _nearest(name: str, cls: type[Any]) -> str:
    """The valid key that was probably meant: here, or the same word in another section; else all here."""
    here = {key.name.lower(): key.name for key in _KEYS[cls].values()}
    anywhere = {path.rpartition(".")[2].lower(): path for path in _paths(_Document, ())}
    wanted = name.lower()
    for candidates, cutoff in ((anywhere, 1.0), (here, 0.6), (anywhere, 0.75)):
        if near := difflib.get_close_matches(wanted, candidates, n=1, cutoff=cutoff):
            return f'did you mean "{candidates[near[0]]}"?'
    return f"the keys here are {', '.join(sorted(here.values()))}"


def _paths(cls: type[Any], prefix: tuple[str, ...]) -> Iterator[str]:
    """Every key that takes a value, with its path from the top of the file."""
    for key in _KEYS[cls].values():
        if isinstance(key.takes, type):
            yield from _paths(key.takes, (*prefix, key.name))
        else:
            yield ".".join((*prefix, key.name))
