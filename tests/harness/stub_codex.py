"""A stand-in for the Codex CLI that is a real process: plays what the environment tells it to.

It reads its prompt from stdin, prints the JSON lines of `codex exec --json` as version 0.163 does, writes the
last message where it is asked to, and makes its `submit_pr` call over HTTP with the token it was given.
"""

import json
import os
import signal
import sys
import urllib.request


def say(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def setting(key: str) -> str:
    found = [word.split("=", 1)[1] for word in sys.argv if word.startswith(f"{key}=")]
    return str(json.loads(found[0]))


def submit() -> None:
    item = {"id": "item_1", "type": "mcp_tool_call", "server": "scriptorium", "tool": "submit_pr"}
    say(type="item.started", item={**item, "status": "in_progress"})
    token = os.environ[setting("mcp_servers.scriptorium.bearer_token_env_var")]
    call = {"method": "tools/call", "params": {"name": "submit_pr", "arguments": {"summary": "done"}}}
    request = urllib.request.Request(  # noqa: S310 - the address is a test's own
        setting("mcp_servers.scriptorium.url"),
        data=json.dumps(call).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - likewise
        answer.read()
    say(type="item.completed", item={**item, "status": "completed"})
    sys.stderr.write(f"{token}\n")  # a careless program: it must not reach the log


def main() -> int:
    scene = os.environ["SCENE"]
    prompt = sys.stdin.read()
    thread = sys.argv[sys.argv.index("resume") + 1] if "resume" in sys.argv else "thread-1"
    say(type="thread.started", thread_id=thread)
    say(type="turn.started")
    if scene == "fails":
        say(type="error", message="Reconnecting... 1/5")
        say(type="turn.failed", error={"message": "stream disconnected"})
        return 1
    if scene == "malformed":
        for line in (
            b"{",
            b"\xff\xfe",
            b"[" * 100_000,
            b"9" * 5000,
            b'{"type": 7}',
            b'{"type": "new.thing"}',
        ):
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.flush()
    if scene == "stalls":
        signal.pause()
    if scene == "submits":
        submit()
    answer = f"You said: {prompt}"
    say(type="item.completed", item={"id": "item_2", "type": "agent_message", "text": answer})
    with open(option("--output-last-message"), "w") as file:  # noqa: PTH123 - plain is enough here
        file.write(answer)
    say(type="turn.completed", usage={"input_tokens": 200, "cached_input_tokens": 20, "output_tokens": 40})
    return 0


sys.exit(main())
