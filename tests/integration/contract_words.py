"""With which arguments the contract has each real CLI started (CA-03)."""

from __future__ import annotations

import json
from pathlib import Path

from .cli_place import CliRun
from .clis import CLAUDE_CODE, CODEX


def codex_words(run: CliRun, url: str, last_message: Path) -> tuple[str, ...]:
    """What the contract says (CA-03)."""
    coding = (
        "-c", f'mcp_servers.scriptorium.url="{url}/mcp"',
        "-c", 'mcp_servers.scriptorium.bearer_token_env_var="SCRIPTORIUM_MCP_TOKEN"',
        "-c", "mcp_servers.scriptorium.required=true",
    )  # fmt: skip
    return (
        *(coding if run.role == "coding" else ()),
        "exec", "--json", "--output-last-message", str(last_message), "--cd", run.cwd,
        "--model", run.cli.model, "--dangerously-bypass-approvals-and-sandbox", "-",
    )  # fmt: skip


def claude_words(run: CliRun, url: str, _last_message: Path) -> tuple[str, ...]:
    """The same for Claude Code: the server is named in JSON, the token by its variable."""
    headers = {"Authorization": "Bearer ${SCRIPTORIUM_MCP_TOKEN}"}
    server = {"type": "http", "url": f"{url}/mcp", "headers": headers, "alwaysLoad": True}
    servers = {"scriptorium": server}
    return (
        "--print", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions",
        *(("--mcp-config", json.dumps({"mcpServers": servers})) if run.role == "coding" else ()),
        "--strict-mcp-config", "--settings", '{"disableAllHooks": true}', "--model", run.cli.model,
    )  # fmt: skip


WORDS = {CODEX.name: codex_words, CLAUDE_CODE.name: claude_words}
