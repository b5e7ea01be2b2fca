"""Connections by themselves: none outlives its bound, whatever its application or its client does."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from scriptorium.server import limits
from scriptorium.server.asgi import Receive, Scope, Send
from scriptorium.server.connections import ConnectedApplication, Connections
from scriptorium.server.gate import Connection

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


@asynccontextmanager
async def _connected(
    application: ConnectedApplication,
) -> AsyncIterator[tuple[trio.SocketStream, Callable[[], None], trio.Event]]:
    """A client's end, a way to cancel the server's, and the event of its end."""
    ended = trio.Event()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, trio.open_nursery() as nursery:
        client = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        stream = await listener.accept()
        scope = trio.CancelScope()

        async def serve() -> None:
            with scope:
                async with stream:
                    await Connections(application).serve(stream)
            ended.set()

        nursery.start_soon(serve)
        async with client:
            yield client, scope.cancel, ended


async def test_an_application_that_never_answers_is_cut_off(autojump_clock: trio.testing.MockClock) -> None:
    async def hang(connection: Connection, scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep_forever()

    autojump_clock.autojump_threshold = 0.05
    async with _connected(hang) as (client, _, ended):
        began = trio.current_time()
        await client.send_all(REQUEST)
        await ended.wait()
        assert trio.current_time() - began == pytest.approx(limits.CONNECTION_SECONDS, abs=1)


async def test_a_client_that_never_reads_cannot_hold_a_cancelled_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def flood(connection: Connection, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 64 * 1024 * 1024})

    autojump_clock.autojump_threshold = 0.05
    async with _connected(flood) as (client, cancel, ended):
        await client.send_all(REQUEST)
        await client.receive_some(1)
        await trio.testing.wait_all_tasks_blocked(0.01)
        cancel()
        with trio.move_on_after(1) as waiting:
            await ended.wait()
        assert not waiting.cancelled_caught


async def test_a_fault_in_the_application_ends_its_connection_alone() -> None:
    async def fail(connection: Connection, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("a fault")

    async with _connected(fail) as (client, _, ended):
        await client.send_all(REQUEST)
        assert (await client.receive_some()).startswith(b"HTTP/1.1 500")
        await ended.wait()
