"""The configuration file: every key, every default, every fault."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptorium.config import (
    CONFIG_NAME,
    SIZE_LIMIT_BYTES,
    AgentConfig,
    Agents,
    Config,
    ConfigError,
    RemoteConfig,
    load_config,
)
from scriptorium.config_document import parse_document

pytestmark = pytest.mark.req("V1-00d")

EVERY_KEY: dict[str, Any] = {
    "agents": {
        role: {
            "harness": "command",
            "model": "some-model",
            "command": ["agent", "--now"],
            "reasoningEffort": "high",
            "args": ["-v", ""],
            "env": ["MY_TOKEN"],
            "hardTimeout": "90m",
            "noOutputTimeout": 30,
            "maxAttempts": 5,
            "operatorTools": True,
        }
        for role in ("architect", "manager", "coding")
    },
    "endpoints": {"local": "http://localhost:9000/"},
    "baseBranch": "trunk",
    "remote": {"name": "origin", "push": True, "tokenEnv": "FORGE_TOKEN"},
    "checks": ["make lint", ["make", "test"]],
    "checkTimeout": "10m",
    "checkEnv": ["DATABASE_URL"],
    "checkCaches": ["node_modules/", "web/.cache", ".venv"],
    "checkReruns": 3,
    "recovery": True,
    "prompts": "tools/prompts",
    "concurrency": {"maxAgents": 8},
    "tickets": {"maxReopens": 0, "maxRuns": 7, "maxTime": "2h", "maxTokens": 1000},
    "stopGrace": 2.5,
    "logLevel": "debug",
}


def written(root: Path, document: object) -> Path:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    (root / CONFIG_NAME).write_bytes(raw)
    return root


def faults(document: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_document(document)
    return [str(fault) for fault in caught.value.faults]


def file_fault(root: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(root)
    (fault,) = caught.value.faults
    return str(fault)


def test_a_missing_file_gives_the_defaults_of_the_contract(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    assert config == Config()
    assert (config.endpoint_host, config.endpoint_port, config.endpoint_set) == ("127.0.0.1", 8097, False)
    assert (config.base_branch, config.checks, config.check_timeout_seconds) == (None, None, 1800)
    assert (config.max_agents, config.max_reopens, config.stop_grace_seconds) == (4, 3, 5)
    assert config.log_level == "info"
    assert [agent.hard_timeout_seconds for agent in _roles(config)] == [3600, 3600, 14400]
    assert all(agent.no_output_timeout_seconds == 600 for agent in _roles(config))
    assert all(agent.max_attempts == 3 for agent in _roles(config))
    assert all(agent.harness is None and agent.model is None for agent in _roles(config))


def _roles(config: Config) -> tuple[AgentConfig, ...]:
    return config.agents.architect, config.agents.manager, config.agents.coding


def test_an_empty_object_gives_the_defaults_too(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, {})) == Config()


def test_every_key_arrives(tmp_path: Path) -> None:
    agent = AgentConfig(
        harness="command",
        model="some-model",
        command=("agent", "--now"),
        reasoning_effort="high",
        args=("-v", ""),
        env=("MY_TOKEN",),
        hard_timeout_seconds=5400,
        no_output_timeout_seconds=30,
        max_attempts=5,
        operator_tools=True,
    )
    assert load_config(written(tmp_path, EVERY_KEY)) == Config(
        agents=Agents(agent, agent, agent),
        endpoint_host="localhost",
        endpoint_port=9000,
        endpoint_set=True,
        base_branch="trunk",
        remote=RemoteConfig("origin", push=True, token_env="FORGE_TOKEN"),
        checks=("make lint", ("make", "test")),
        check_timeout_seconds=600,
        check_env=("DATABASE_URL",),
        check_caches=("node_modules", "web/.cache", ".venv"),
        check_reruns=3,
        recovery=True,
        prompts="tools/prompts",
        max_agents=8,
        max_reopens=0,
        max_runs=7,
        max_time_seconds=7200,
        max_tokens=1000,
        stop_grace_seconds=2.5,
        log_level="debug",
    )


def test_a_coding_agent_that_is_described_keeps_its_four_hours() -> None:
    config = parse_document({"agents": {"coding": {"model": "m"}, "manager": {"model": "m"}}})
    assert config.agents.coding.hard_timeout_seconds == 14400
    assert config.agents.manager.hard_timeout_seconds == 3600


def test_nothing_is_pushed_unless_a_remote_is_named_for_it() -> None:
    assert not parse_document({"remote": {"name": "origin"}}).remote.push
    (fault,) = faults({"remote": {"push": True}})
    assert fault.startswith("scriptorium.json: remote.name: must be set to push")
    (fault,) = faults({"remote": {"name": "origin", "tokenEnv": "ghp_$1"}})
    assert fault.startswith("scriptorium.json: remote.tokenEnv: must be the name of an environment variable")


def test_no_checks_on_purpose_is_not_the_same_as_not_set() -> None:
    assert parse_document({"checks": []}).checks == ()
    assert parse_document({}).checks is None


@pytest.mark.parametrize(
    "wrong",
    [
        "/",
        "/x",
        "..",
        "a/../b",
        "./a",
        "a//b",
        ".git",
        ".git/",
        "a/.GIT/b",
        ".scriptorium",
        "*.o",
        "a\\b",
        " ",
    ],
)
def test_caches_are_names_or_paths_in_the_repository(wrong: str) -> None:
    (fault,) = faults({"checkCaches": ["target", wrong]})
    assert fault.startswith("scriptorium.json: checkCaches: must be a list of names or paths")
    assert "entry 2 is " in fault


def test_any_free_port_can_be_asked_for() -> None:
    config = parse_document({"endpoints": {"local": "http://127.0.0.1:0"}})
    assert (config.endpoint_port, config.endpoint_set) == (0, True)


@pytest.mark.parametrize(
    ("written_as", "seconds"),
    [("250ms", 0.25), ("5s", 5), ("5m", 300), ("1.5h", 5400), ("2d", 172800), (7, 7), (0.5, 0.5)],
)
def test_durations(written_as: object, seconds: float) -> None:
    assert parse_document({"stopGrace": written_as}).stop_grace_seconds == seconds


def _leaves(document: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in document.items():
        found += _leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]
    return found


def _placed(path: tuple[str, ...], value: object) -> dict[str, Any]:
    document: dict[str, Any] = {path[-1]: value}
    for key in reversed(path[:-1]):
        document = {key: document}
    return document


WRONG: tuple[object, ...] = (
    None, True, -1, 1.5e308, float("inf"), 10**400, "", " ", "a\0b", "\ud800", "x\n", {}, {"a": 1},
    [1], [None], [""], [[]], [[""]], [["a", 1]], ["a\0"], ["\ud800"],
)  # fmt: skip
# What looks odd and is right after all: an empty argument, a harness's own words with a newline.
RIGHT: dict[str, tuple[object, ...]] = {
    "args": ([""],),
    "model": ("x\n",),
    "reasoningEffort": ("x\n",),
    "operatorTools": (True,),
    "recovery": (True,),
    "push": (True,),
    "name": ("x\n",),
}


@pytest.mark.parametrize("path", _leaves(EVERY_KEY), ids=".".join)
def test_a_wrong_type_or_an_impossible_value_is_named_with_its_path(path: tuple[str, ...]) -> None:
    for value in WRONG:
        if value in RIGHT.get(path[-1], ()):
            continue
        found = faults(_placed(path, value))
        assert any(line.startswith(f"{CONFIG_NAME}: {'.'.join(path)}: must be ") for line in found), value
        assert all(line.isprintable() for line in found)


@pytest.mark.parametrize(
    "path", ["/etc", "../prompts", "a//b", "a/./b", ".git/x", ".scriptorium/x", "a\\\\b", "/"]
)
def test_prompts_are_in_a_folder_of_the_repository(path: str) -> None:
    (line,) = faults({"prompts": path})
    assert line.startswith(f"{CONFIG_NAME}: prompts: must ")
    assert parse_document({"prompts": "tools/prompts/"}).prompts == "tools/prompts"


@pytest.mark.parametrize("path", ["", "agents", "agents.coding", "endpoints", "concurrency", "tickets"])
@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_a_section_that_is_no_object(path: str, value: object) -> None:
    document = _placed(tuple(path.split(".")), value) if path else value
    (line,) = faults(document)
    assert line.startswith(": ".join(part for part in (CONFIG_NAME, path, "must be an object") if part))


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"agents": {"coding": {"modle": "x"}}}, 'agents.coding.modle: unknown key (did you mean "model"?)'),
        ({"agents": {"Coding": {}}}, 'agents.Coding: unknown key (did you mean "coding"?)'),
        ({"maxAgents": 4}, 'maxAgents: unknown key (did you mean "concurrency.maxAgents"?)'),
        ({"concurrency": {"maxagents": 4}}, 'concurrency.maxagents: unknown key (did you mean '
                                            '"concurrency.maxAgents"?)'),
        ({"tickets": {"zzz": 4}}, "tickets.zzz: unknown key (the keys here are maxReopens, maxRuns, "
         "maxTime, maxTokens)"),
        ({"agents": {"coding": {"harness": "codx"}}}, 'agents.coding.harness: must be one of codex, '
         'claude-code, typoi, command, not "codx" (did you mean "codex"?)'),
        ({"agents": {"manager": {"harness": "command"}}}, 'agents.manager.command: must be set when the '
         'harness is "command": it starts the agent'),
        ({"checks": ["make", 5]}, 'checks: must be a list of shell commands or argv lists, such as '
         '["make test"]; entry 2 is 5'),
    ],
)  # fmt: skip
def test_the_words_of_a_fault(document: object, fault: str) -> None:
    assert faults(document) == [f"{CONFIG_NAME}: {fault}"]


def test_every_fault_is_told_at_once() -> None:
    document = {
        "agents": {"coding": {"modle": "x", "maxAttempts": 0, "harness": "command"}, "boss": {}},
        "checkTimeout": "soon",
        "endpoints": {"local": "https://example.org"},
        "colour": "blue",
    }
    paths = [line.split(": ")[1] for line in faults(document)]
    assert paths == [
        "agents.boss",
        "agents.coding.command",
        "agents.coding.maxAttempts",
        "agents.coding.modle",
        "checkTimeout",
        "colour",
        "endpoints.local",
    ]


@pytest.mark.parametrize(
    "address",
    ["https://127.0.0.1:1", "http://127.0.0.1", "http://0.0.0.0:80", "http://example.org:80", "http://[::1",
     "http://127.0.0.1:99999", "http://127.0.0.1:80/mcp", "http://u@127.0.0.1:80", "127.0.0.1:80", "http://:80"],
)  # fmt: skip
def test_an_endpoint_is_an_address_on_this_machine(address: str) -> None:
    (line,) = faults({"endpoints": {"local": address}})
    assert line.startswith(f"{CONFIG_NAME}: endpoints.local: must be an address on this machine")


@pytest.mark.parametrize(
    "name",
    ["-x", "a..b", "a b", "a.lock", "/a", "a/", "a\n", "@", "scriptorium/plan", "a/.b", "refs/../x", "a~1"],
)
def test_a_base_branch_is_a_branch_name(name: str) -> None:
    (line,) = faults({"baseBranch": name})
    assert line.startswith(f"{CONFIG_NAME}: baseBranch: must ")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON: Expecting property name enclosed in double quotes, line 1 column 2"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"stopGrace": NaN}', "is not JSON: NaN"),
        (b"[" * 200_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b"1" * 5000, "is not JSON: Exceeds the limit"),
        (b'{"model": "\xff"}', "is not UTF-8 (byte 11); save it as UTF-8"),
        (b"\xef\xbb\xbf{}", "is not JSON: Unexpected UTF-8 BOM"),
        (b'{"stopGrace": 1, "stopGrace": 2}', "stopGrace: is there more than once; keep one"),
        (b'{"agents": {"coding": {"model": "a", "model": "a"}}}', "agents.coding.model: is there more than"),
        (b" " * (SIZE_LIMIT_BYTES + 1), "is larger than 1024 KiB"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_a_file_that_is_not_sound_json(tmp_path: Path, raw: bytes, problem: str) -> None:
    assert file_fault(written(tmp_path, raw)).startswith(f"{CONFIG_NAME}: {problem}")


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    (tmp_path / "elsewhere.json").write_text("{}")
    (root / CONFIG_NAME).symlink_to("../elsewhere.json")
    assert "is a link out of the repository" in file_fault(root)


def test_a_link_inside_the_repository_is_followed(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"stopGrace": 1}')
    (tmp_path / CONFIG_NAME).symlink_to("settings.json")
    assert load_config(tmp_path).stop_grace_seconds == 1


@pytest.mark.parametrize(("target", "problem"), [("missing.json", "does not exist"), (CONFIG_NAME, "itself")])
def test_a_link_to_nothing_is_not_a_missing_file(tmp_path: Path, target: str, problem: str) -> None:
    (tmp_path / CONFIG_NAME).symlink_to(target)
    assert problem in file_fault(tmp_path)


def test_what_is_no_regular_file_cannot_hang_the_command(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / CONFIG_NAME)
    assert "is not a regular file" in file_fault(tmp_path)
    (tmp_path / CONFIG_NAME).unlink()
    (tmp_path / CONFIG_NAME).mkdir()
    assert "is not a regular file" in file_fault(tmp_path)


def _keys() -> st.SearchStrategy[str]:
    known = {key for path in _leaves(EVERY_KEY) for key in path}
    return st.sampled_from(sorted(known)) | st.text(max_size=8)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_a_configuration_or_printable_faults(document: object) -> None:
    try:
        config = parse_document(document)
    except ConfigError as error:
        assert error.faults
        assert all(str(fault).isprintable() for fault in error.faults)
    else:
        assert isinstance(config, Config)
