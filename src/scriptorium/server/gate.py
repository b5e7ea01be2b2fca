"""Who and what gets through to the MCP server: checks on host, origin, method, token and size,
before anything of a request is understood.
"""

from collections.abc import Collection
from typing import Protocol, assert_never

import attrs
import trio

from scriptorium.server.asgi import Application, Message, Receive, Scope, Send, send_json
from scriptorium.server.limits import BODY_SECONDS, DRAIN_BYTES, DRAIN_SECONDS, REQUEST_BYTES
from scriptorium.server.tokens import Tokens

RUN_KEY = "scriptorium.run"
"""Where the gate leaves the caller's run id in the scope of an admitted request."""

_REFUSED = -32000
"""The JSON-RPC code of a refusal at the gate: the first of those that the specification leaves to servers."""


class Connection(Protocol):
    """What the gate may do to the connection that it is reached through."""

    def protect(self) -> None:
        """Keeps the connection from being closed to make room for others."""

    def hang_up(self) -> None:
        """Ends the connection, whatever it is doing."""


@attrs.frozen
class Health:
    """Somebody asks whether the server lives."""


@attrs.frozen
class Admitted:
    """A POST to the MCP server by a run with a live token."""

    run_id: str


@attrs.frozen
class Refusal:
    """An answer that ends the request, with a reason for whoever reads it."""

    status: int
    reason: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


_UNAUTHORIZED = Refusal(
    401,
    "No live token: send the run's token as 'Authorization: Bearer TOKEN' (SCRIPTORIUM_MCP_TOKEN). "
    "A token ends with its run.",
    ((b"www-authenticate", b'Bearer realm="scriptorium"'),),
)
_TOO_LARGE = Refusal(413, f"The request is too large: at most {REQUEST_BYTES} bytes are read.")
_TOO_SLOW = Refusal(408, f"The request's body did not arrive within {BODY_SECONDS:g} seconds.")


def decide(scope: Scope, hosts: Collection[str], tokens: Tokens) -> Health | Admitted | Refusal:
    """What to do with a request, from its line and headers alone.

    Args:
        scope: the ASGI scope of an HTTP request.
        hosts: the values of `Host` that mean this server, in lower case.
        tokens: the live ones.
    """
    host = _only(scope, b"host")
    if host is None or host.lower() not in hosts:
        return Refusal(421, "The Host header does not name this server.")
    origins = _values(scope, b"origin")
    if any(origin.lower().removeprefix("http://") not in hosts for origin in origins):
        return Refusal(403, "Requests from web pages of other origins are refused.")
    return _route(scope, tokens)


def _route(scope: Scope, tokens: Tokens) -> Health | Admitted | Refusal:
    match scope["path"], scope["method"]:
        case "/health", "GET" | "HEAD":
            return Health()
        case "/health", _:
            return Refusal(405, "/health answers GET.", ((b"allow", b"GET, HEAD"),))
        case "/mcp", "POST":
            return _admit(scope, tokens)
        case "/mcp", _:
            # A GET would open a stream that the server never writes to; a DELETE, end a session: none exist.
            return Refusal(405, "/mcp answers POST.", ((b"allow", b"POST"),))
        case _:
            return Refusal(404, "There is nothing here. The MCP server is at /mcp.")


def _admit(scope: Scope, tokens: Tokens) -> Admitted | Refusal:
    scheme, _, token = (_only(scope, b"authorization") or "").partition(" ")
    run_id = tokens.caller(token.strip()) if scheme.lower() == "bearer" else None
    if run_id is None:
        return _UNAUTHORIZED
    declared = _only(scope, b"content-length")
    if declared is not None and int(declared) > REQUEST_BYTES:
        return _TOO_LARGE
    return Admitted(run_id)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _only(scope: Scope, name: bytes) -> str | None:
    values = _values(scope, name)
    return values[0] if len(values) == 1 else None


class Gate:
    """The server's ASGI application: answers `/health`, passes admitted requests on, refuses the rest.

    Args:
        mcp: the application for admitted requests; sees the whole body at once and the run id in `RUN_KEY`.
        hosts: the values of `Host` that mean this server.
        tokens: the live ones; looked at again when a request's body is complete.
    """

    def __init__(self, mcp: Application, hosts: Collection[str], tokens: Tokens) -> None:
        self._mcp = mcp
        self._hosts = hosts
        self._tokens = tokens

    async def __call__(self, connection: Connection, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        if scope["http_version"] not in {"1.0", "1.1"}:
            # Not spoken here; Hypercorn's HTTP/2 also stays open when the client has gone.
            connection.hang_up()
            return
        decision = decide(scope, self._hosts, self._tokens)
        match decision:
            case Health():
                await send_json(send, 200, {"status": "ok"})
            case Refusal():
                await _refuse(decision, connection, receive, send)
            case Admitted():
                await self._pass_on(decision, connection, scope, receive, send)
            case _:
                assert_never(decision)

    async def _pass_on(
        self, admitted: Admitted, connection: Connection, scope: Scope, receive: Receive, send: Send
    ) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        if isinstance(body, Refusal):
            await _refuse(body, connection, receive, send)
            return
        again = decide(scope, self._hosts, self._tokens)
        if isinstance(again, Refusal):
            # The run ended while its request was on the way.
            await _refuse(again, connection, _replay(body, receive), send)
            return
        connection.protect()
        scope[RUN_KEY] = admitted.run_id
        await self._mcp(scope, _replay(body, receive), send)


async def _read_body(receive: Receive) -> bytes | Refusal | None:
    """The whole body, why it is refused, or None when the client has gone."""
    body = bytearray()
    with trio.move_on_after(BODY_SECONDS):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > REQUEST_BYTES:
                return _TOO_LARGE
            if not message.get("more_body", False):
                return bytes(body)
    return _TOO_SLOW


def _replay(body: bytes, receive: Receive) -> Receive:
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return unread.pop() if unread else await receive()

    return replay


async def _refuse(refusal: Refusal, connection: Connection, receive: Receive, send: Send) -> None:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": _REFUSED, "message": refusal.reason}}
    await send_json(send, refusal.status, error, refusal.headers, more=True)
    # The client may still be sending. Closing on it now would reset the connection and take the answer away
    # with it; and Hypercorn waits for ever when an application ends with more than ten messages unread.
    if await _drain(receive):
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    else:
        connection.hang_up()


async def _drain(receive: Receive) -> bool:
    """Reads the rest of the request; False when it has no end within the limits."""
    seen = 0
    with trio.move_on_after(DRAIN_SECONDS):
        while seen <= DRAIN_BYTES:
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return True
            seen += len(message.get("body", b""))
    return False
