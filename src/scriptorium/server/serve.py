"""Runs the server: listens, loads the MCP side, serves until cancelled, and ends in bounded time."""

import socket
from collections.abc import Callable, Collection
from functools import partial

import trio

from scriptorium.server.asgi import Application
from scriptorium.server.connections import Connections
from scriptorium.server.endpoint import Endpoint, allowed_hosts, listen
from scriptorium.server.gate import Gate
from scriptorium.server.intake import Intake
from scriptorium.server.limits import STOP_SECONDS
from scriptorium.server.submission import Submissions
from scriptorium.server.tokens import Tokens


async def serve(
    *,
    host: str,
    port: int,
    tokens: Tokens,
    submit: Submissions,
    task_status: trio.TaskStatus[Endpoint] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves the MCP tool `submit_pr` at `/mcp`, and `/health`, until cancelled.

    Args:
        host: an address or name of this machine.
        port: 0 = any free one.
        tokens: who may call; issue a run's token before its process starts, revoke it when the run is over.
        submit: takes a submission. It runs in the server's nursery, so it goes on to its end when the call
            that brought it is cancelled or its connection breaks.
        task_status: told the bound endpoint once requests are answered.

    Raises:
        PortTaken: another program listens there.
        CannotListen: the endpoint cannot be opened for another reason.

    Cancelled, it accepts no more connections, lets what has begun be answered for at most
    `limits.STOP_SECONDS`, then cancels the rest (submissions included) and closes every socket.
    """
    listener, endpoint = listen(host, port)
    with listener:
        # A second of imports must not keep the loop from signals and agents.
        mcp_application = await trio.to_thread.run_sync(_load_mcp)
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            make_gate = partial(_make_gate, mcp_application, allowed_hosts(endpoint, host), tokens, submit)
            nursery.start_soon(_serve_until, stop, listener, make_gate)
            task_status.started(endpoint)
            try:
                await trio.sleep_forever()
            finally:
                stop.set()


def _load_mcp() -> Callable[[Submissions], Application]:
    from scriptorium.server.tool import mcp_application  # noqa: PLC0415  imports mcp, 0.6-0.9 s

    return mcp_application


def _make_gate(
    mcp_application: Callable[[Submissions], Application],
    hosts: Collection[str],
    tokens: Tokens,
    submit: Submissions,
    nursery: trio.Nursery,
) -> Gate:
    return Gate(mcp_application(Intake(submit, nursery).submit), hosts, tokens)


async def _serve_until(
    stop: trio.Event, listener: socket.socket, make_gate: Callable[[trio.Nursery], Gate]
) -> None:
    # Shielded, so that a cancellation of the server does not cut off what has begun; `stop` starts the clock.
    with trio.CancelScope(shield=True) as everything:
        async with trio.open_nursery() as submissions, trio.open_nursery() as handlers:
            connections = Connections(make_gate(submissions))
            async with trio.open_nursery() as accepting:
                accept = partial(
                    trio.serve_listeners,
                    connections.serve,
                    [trio.SocketListener(trio.socket.from_stdlib_socket(listener))],
                    handler_nursery=handlers,
                )
                accepting.start_soon(accept)
                await stop.wait()
                everything.deadline = trio.current_time() + STOP_SECONDS
                accepting.cancel_scope.cancel()
            await connections.finish()
