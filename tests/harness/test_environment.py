"""The whole environment of agents and checks, compared as a set."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptorium.harness.environment import (
    McpAccess,
    RunPlace,
    agent_environment,
    check_environment,
    secrets_of,
)

PLACE = RunPlace("run-1", Path("/repo"), Path("/opt/scriptorium/bin"), ticket="0001")
MCP = McpAccess("http://127.0.0.1:8097/mcp", "token-12345678")

KEPT = {
    "HOME": "/home/me",
    "USER": "me",
    "LOGNAME": "me",
    "SHELL": "/bin/zsh",
    "TERM": "xterm",
    "TMPDIR": "/home/me/tmp",
    "LANG": "de_DE.UTF-8",
    "LANGUAGE": "de",
    "LC_ALL": "C",
    "LC_TIME": "C",
    "CODEX_HOME": "/home/me/.codex",
    "CLAUDE_CONFIG_DIR": "/home/me/.claude",
    "IS_SANDBOX": "1",
}
PROVIDERS = {
    "OPENAI_API_KEY": "sk-openai-1",
    "OPENAI_BASE_URL": "http://127.0.0.1:1",
    "CODEX_API_KEY": "sk-codex-12",
    "ANTHROPIC_API_KEY": "sk-ant-12345",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:2",
}
PLANTED = {
    "AWS_SECRET_ACCESS_KEY": "planted",
    "GITHUB_TOKEN": "planted",
    "SSH_AUTH_SOCK": "/planted",
    "CLAUDECODE": "1",
    "LD_PRELOAD": "/planted.so",
    "PYTHONPATH": "/planted",
    "GIT_DIR": "/planted",
    "SCRIPTORIUM_DEBUG": "1",
    "SCRIPTORIUM_MCP_TOKEN": "an outer service's",
    "TZ": "UTC",
}
SERVICE = KEPT | PROVIDERS | PLANTED | {"PATH": "/usr/bin:/bin", "MY_TOOL": "x", "MY_CHECK": "y"}


def test_a_coding_agent_gets_exactly_the_contract_s() -> None:
    env = agent_environment(SERVICE, role="coding", place=PLACE, mcp=MCP, pass_on=["MY_TOOL", "NOT_SET"])
    assert env == KEPT | PROVIDERS | {
        "PATH": "/usr/bin:/bin:/opt/scriptorium/bin",
        "MY_TOOL": "x",
        "SCRIPTORIUM_ROLE": "coding",
        "SCRIPTORIUM_RUN": "run-1",
        "SCRIPTORIUM_REPO": "/repo",
        "SCRIPTORIUM_TICKET": "0001",
        "SCRIPTORIUM_MCP_URL": "http://127.0.0.1:8097/mcp",
        "SCRIPTORIUM_MCP_TOKEN": "token-12345678",
    }


def test_a_manager_gets_its_area_and_no_tools() -> None:
    place = RunPlace("run-2", Path("/repo"), Path("/usr/bin"), area="parser")
    env = agent_environment(SERVICE, role="manager", place=place)
    assert env == KEPT | PROVIDERS | {
        "PATH": "/usr/bin:/bin",
        "SCRIPTORIUM_ROLE": "manager",
        "SCRIPTORIUM_RUN": "run-2",
        "SCRIPTORIUM_REPO": "/repo",
        "SCRIPTORIUM_AREA": "parser",
    }


def test_a_check_gets_no_role_no_tools_and_no_keys() -> None:
    env = check_environment(SERVICE, place=PLACE, pass_on=["MY_CHECK"])
    assert env == KEPT | {
        "PATH": "/usr/bin:/bin:/opt/scriptorium/bin",
        "MY_CHECK": "y",
        "SCRIPTORIUM_RUN": "run-1",
        "SCRIPTORIUM_REPO": "/repo",
        "SCRIPTORIUM_TICKET": "0001",
    }


def test_what_scriptorium_says_cannot_be_overridden_nor_an_outer_token_passed_on() -> None:
    service = {"SCRIPTORIUM_RUN": "outer", "SCRIPTORIUM_MCP_TOKEN": "outer", "PATH": "/bin"}
    env = check_environment(service, place=PLACE, pass_on=list(service))
    assert env["SCRIPTORIUM_RUN"] == "run-1"
    assert "SCRIPTORIUM_MCP_TOKEN" not in env


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({}, {}),
        (
            {"HTTPS_PROXY": "http://p:1"},
            {
                "HTTPS_PROXY": "http://p:1",
                "NO_PROXY": "127.0.0.1,localhost",
                "no_proxy": "127.0.0.1,localhost",
            },
        ),
        (
            {"http_proxy": "http://p:1", "no_proxy": "corp.example, localhost"},
            {
                "http_proxy": "http://p:1",
                "NO_PROXY": "corp.example,localhost,127.0.0.1",
                "no_proxy": "corp.example,localhost,127.0.0.1",
            },
        ),
        (
            {"NO_PROXY": "a", "no_proxy": "b"},
            {"NO_PROXY": "a,b,127.0.0.1,localhost", "no_proxy": "a,b,127.0.0.1,localhost"},
        ),
    ],
)
def test_proxies_leave_the_loopback_alone(service: dict[str, str], expected: dict[str, str]) -> None:
    env = check_environment(service, place=PLACE)
    assert {name: value for name, value in env.items() if name.lower().endswith("_proxy")} == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (None, "/bin:/usr/bin:/opt/scriptorium/bin"),
        ("/a:/opt/scriptorium/bin:/b", "/a:/opt/scriptorium/bin:/b"),
        ("/a", "/a:/opt/scriptorium/bin"),
    ],
)
def test_the_folder_of_scriptorium_comes_last_on_the_path(path: str | None, expected: str) -> None:
    service = {} if path is None else {"PATH": path}
    assert check_environment(service, place=PLACE)["PATH"] == expected


def test_secrets_are_the_token_and_what_is_named_like_one() -> None:
    env = agent_environment(SERVICE, role="coding", place=PLACE, mcp=MCP)
    assert secrets_of(env) == ("sk-ant-12345", "sk-codex-12", "sk-openai-1", "token-12345678")


def test_the_service_s_own_secrets_are_secrets_too() -> None:
    env = check_environment(
        SERVICE | {"AWS_SECRET_ACCESS_KEY": "planted-123", "EMPTY_TOKEN": ""}, place=PLACE
    )
    assert secrets_of(env) == ()
    assert secrets_of({"AWS_SECRET_ACCESS_KEY": "planted-123", "EMPTY_TOKEN": ""}, env) == ("planted-123",)


def test_a_token_is_not_shown_by_repr() -> None:
    assert "12345678" not in repr(MCP)
