"""One TCP connection after another, each contained: whatever a connection raises ends that connection.

Hypercorn runs every connection in the server's own nursery, where one malformed WebSocket handshake is enough
to end the server. So its connection handler is used here without its server loop.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio
from h11 import LocalProtocolError
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from scriptorium.server.asgi import Receive, Scope, Send
from scriptorium.server.gate import Connection
from scriptorium.server.limits import (
    CONNECTION_SECONDS,
    CONNECTIONS,
    HEADER_BYTES,
    HEADER_SECONDS,
)

_log = logging.getLogger("scriptorium.server")

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-type: text/plain\r\ncontent-length: 39\r\n\r\nToo many connections: try again later.\n"
)

_PEER_FAULTS = (
    LocalProtocolError,
    trio.BusyResourceError,
    trio.ClosedResourceError,
    trio.BrokenResourceError,
)

ConnectedApplication = Callable[[Connection, Scope, Receive, Send], Awaitable[None]]
"""An ASGI application that is also told which connection a request came by."""


@attrs.define(eq=False)
class _Open:
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    protected: bool = False

    def protect(self) -> None:
        self.protected = True

    def hang_up(self) -> None:
        self.scope.cancel()


class Connections:
    """The open connections, at most `limits.CONNECTIONS`.

    When there are so many, a new one takes the place of the oldest that carries no admitted request: a flood
    of idle connections keeps nobody out. One request a connection, so there is no keep-alive to run out just
    as the client sends.
    """

    def __init__(self, application: ConnectedApplication) -> None:
        self._application = application
        self._config = _config()
        self._context = WorkerContext(None)
        self._open: dict[_Open, None] = {}  # oldest first

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serves one connection to its end. Raises nothing but a cancellation from outside."""
        connection = self._admit()
        if connection is None:
            await _turn_away(stream)
            return
        self._open[connection] = None
        try:
            connection.scope.deadline = trio.current_time() + CONNECTION_SECONDS
            with connection.scope:
                await self._run(connection, stream)
        except* Exception as error:  # the containment that this module is for
            _log.info("a connection ended by its own fault: %r", error.exceptions[0])
        finally:
            del self._open[connection]

    async def finish(self) -> None:
        """Lets the open connections answer what they have; those with nothing close at once."""
        await self._context.terminated.set()

    def _admit(self) -> _Open | None:
        # One that was told to hang up is on its way out: it takes no place, and cannot make room twice.
        staying = [each for each in self._open if not each.scope.cancel_called]
        if len(staying) >= CONNECTIONS:
            oldest = next((each for each in staying if not each.protected), None)
            if oldest is None:
                return None
            oldest.hang_up()
        return _Open()

    async def _run(self, connection: _Open, stream: trio.SocketStream) -> None:
        application = ASGIWrapper(partial(self._answer, connection))
        state = ConnectionState({})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_close_when_cancelled, stream)
            # mypy: Hypercorn declares TLS streams here; run() takes the plain ones of its own loop too.
            await TCPServer(application, self._config, self._context, state, stream).run()  # type: ignore[arg-type]
            nursery.cancel_scope.cancel()

    async def _answer(self, connection: _Open, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._application(connection, scope, receive, send)
        except* _PEER_FAULTS as error:
            # The peer broke the protocol while being answered. Hypercorn would log it as a fault of ours.
            _log.debug("a request could not be answered: %r", error.exceptions[0])
            connection.hang_up()


async def _close_when_cancelled(stream: trio.SocketStream) -> None:
    # Hypercorn shields its writes, so a client that does not read would hold a cancelled connection for ever.
    # Closing the socket under the write ends it.
    try:
        await trio.sleep_forever()
    finally:
        stream.socket.close()


async def _turn_away(stream: trio.SocketStream) -> None:
    try:
        with trio.move_on_after(1):
            await stream.send_all(_FULL)
            await stream.send_eof()
    except trio.BrokenResourceError:
        _log.debug("a connection that was turned away had gone already")


def _config() -> Config:
    config = Config()
    config.errorlog = _log  # no handlers of Hypercorn's own
    config.accesslog = None
    config.include_server_header = False
    config.h11_max_incomplete_size = HEADER_BYTES
    config.h2_max_header_list_size = HEADER_BYTES
    config.h2_max_concurrent_streams = 1
    config.keep_alive_timeout = HEADER_SECONDS
    config.keep_alive_max_requests = 0
    return config
