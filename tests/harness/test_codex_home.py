"""What a person has lent their Codex is switched off for an agent, one by one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scriptorium.harness.codex import CodexHarness
from scriptorium.harness.codex_home import switched_off
from scriptorium.harness.interface import AgentRequest

CONFIG = """\
model = "gpt-5"
notify = ["notify-send", "done"]

[mcp_servers.mine]
command = "mine"

[mcp_servers."with-dash_1"]
url = "http://127.0.0.1:9/mcp"

[mcp_servers."a.b"]
command = "never"

[mcp_servers.scriptorium]
url = "http://127.0.0.1:1/mcp"

[[hooks.Stop]]
matcher = "x"
"""
ALL = (
    ("mcp_servers.mine.enabled", "false"),
    ("mcp_servers.with-dash_1.enabled", "false"),
    ("features.hooks", "false"),
    ("notify", "[]"),
)


def test_each_server_and_the_hooks_and_the_notifier(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    assert switched_off({"CODEX_HOME": str(tmp_path)}) == ALL
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".codex").symlink_to(tmp_path)
    assert switched_off({"HOME": str(tmp_path / "home")}) == ALL
    assert switched_off({"HOME": str(tmp_path / "home"), "CODEX_HOME": str(tmp_path / "home")}) == ()


def test_hooks_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "hooks.json").write_text("{}")
    assert switched_off({"CODEX_HOME": str(tmp_path)}) == (("features.hooks", "false"),)


@pytest.mark.parametrize("content", [b"", b"mcp_servers = 3", b"not toml", b"\xff", b"a" * 100, b"[" * 5000])
def test_what_cannot_be_read_switches_off_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    assert switched_off({"CODEX_HOME": str(tmp_path)}) == ()


def test_a_pipe_in_its_place_hangs_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.toml")
    assert switched_off({"CODEX_HOME": str(tmp_path)}) == ()
    assert switched_off({}) == ()


@pytest.mark.req("CA-03")
def test_the_settings_come_before_exec_and_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    request = AgentRequest("coding", "x", tmp_path, tmp_path / "last", command=("codex",), mcp_url="http://u")
    env = {"CODEX_HOME": str(tmp_path)}
    argv = CodexHarness().command(request, env).argv
    settings = [word for word in argv[1 : argv.index("exec")] if word != "-c"]
    assert settings[:4] == [f"{key}={value}" for key, value in ALL]
    assert settings[4].startswith("mcp_servers.scriptorium.url=")
    kept = AgentRequest("coding", "x", tmp_path, tmp_path / "last", command=("codex",), operator_tools=True)
    assert CodexHarness().command(kept, env).argv[:2] == ("codex", "exec")
