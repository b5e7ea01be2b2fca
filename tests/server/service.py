"""A running server with a recorded `submit`, and how tests talk to it: raw bytes and a real MCP client."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import httpx2
import trio
from mcp.client import Client
from mcp.client.client import ConnectMode
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from scriptorium.server import Endpoint, SubmitAnswer, Tokens
from scriptorium.server.serve import serve

ACCEPTED = SubmitAnswer(accepted=True, message="Taken: the checks run next.")


class Recorder:
    """A `submit` that records calls, can be told what to answer, and can be held."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, str]] = []
        self.finished: list[tuple[str, str]] = []
        self.answer = ACCEPTED
        self.error: Exception | None = None
        self.cut_off: list[str] = []
        self._changed = trio.Event()
        self.gate = trio.Event()
        self.gate.set()

    async def submit(self, run_id: str, summary: str) -> SubmitAnswer:
        self.begun.append((run_id, summary))
        self._say_changed()
        try:
            await self.gate.wait()
        except trio.Cancelled:
            self.cut_off.append(run_id)
            raise
        self.finished.append((run_id, summary))
        self._say_changed()
        if self.error is not None:
            raise self.error
        return self.answer

    def hold(self) -> None:
        self.gate = trio.Event()

    async def wait_begun(self, count: int) -> None:
        while len(self.begun) < count:
            await self._changed.wait()

    async def wait_finished(self, count: int) -> None:
        while len(self.finished) < count:
            await self._changed.wait()

    def _say_changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


@attrs.frozen
class Service:
    endpoint: Endpoint
    tokens: Tokens
    submissions: Recorder
    scope: trio.CancelScope
    over: trio.Event

    @property
    def authority(self) -> str:
        return self.endpoint.url.removeprefix("http://")

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.authority.rpartition(":")
        return host.strip("[]"), int(port)

    async def open(self) -> trio.SocketStream:
        return await trio.open_tcp_stream(*self.address)

    async def ask(self, data: bytes) -> bytes:
        """Sends the bytes and reads to the end of the connection."""
        async with await self.open() as stream:
            await stream.send_all(data)
            return await read_all(stream)

    async def health(self) -> bytes:
        return await self.ask(request("GET", "/health", {"Host": self.authority}))

    def post(self, body: bytes, token: str | None, **changed: str | None) -> bytes:
        """The bytes of a POST to /mcp; `changed` replaces or (None) removes headers, `_` for `-`."""
        headers: dict[str, str | None] = {
            "host": self.authority,
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "content-length": str(len(body)),
            "authorization": None if token is None else f"Bearer {token}",
        }
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        return request("POST", "/mcp", headers, body)

    @asynccontextmanager
    async def client(self, token: str, mode: ConnectMode = "auto") -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http:
            transport = streamable_http_client(self.endpoint.mcp_url, http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client


async def start(nursery: trio.Nursery, host: str = "127.0.0.1", port: int = 0) -> Service:
    tokens, recorder, scope, over = Tokens(), Recorder(), trio.CancelScope(), trio.Event()

    async def run(task_status: trio.TaskStatus[Endpoint]) -> None:
        with scope:
            await serve(host=host, port=port, tokens=tokens, submit=recorder.submit, task_status=task_status)
        over.set()

    endpoint: Endpoint = await nursery.start(partial(run))
    return Service(endpoint, tokens, recorder, scope, over)


def request(method: str, path: str, headers: Mapping[str, str | None], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def call(summary: Any, name: str = "submit_pr") -> dict[str, Any]:
    params = {"name": name, "arguments": {"summary": summary}}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


async def read_all(stream: trio.SocketStream) -> bytes:
    data = b""
    try:
        async for part in stream:
            data += part
    except trio.BrokenResourceError:
        pass
    return data


async def read_response(stream: trio.SocketStream) -> bytes:
    """Reads one answer with a Content-Length, leaving the connection open."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = await stream.receive_some()
        assert part, f"closed within the head: {data!r}"
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        part = await stream.receive_some()
        assert part, f"closed within the body: {data!r}"
        data, body = data + part, body + part
    return data


def status_of(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def text_of(result: Any) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))
