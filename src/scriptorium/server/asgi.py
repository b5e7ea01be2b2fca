"""The ASGI types that the server's parts speak to each other, and a whole JSON answer in them."""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


async def send_json(
    send: Send, status: int, body: object, headers: Iterable[tuple[bytes, bytes]] = (), *, more: bool = False
) -> None:
    """Sends an answer with a JSON body.

    With `more` the client has all of the answer, and the exchange stays open for whoever wants to read on.
    """
    data = json.dumps(body).encode()
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": data, "more_body": more})
