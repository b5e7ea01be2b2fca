"""Opening the endpoint: any free port, a taken one, and addresses that cannot be had."""

import socket
from functools import partial

import pytest
import trio

from scriptorium.server import CannotListen, Endpoint, PortTaken, SubmitAnswer, Tokens
from scriptorium.server.endpoint import allowed_hosts, listen
from scriptorium.server.serve import serve

from .service import ACCEPTED, Service, start, status_of


async def _submit(run_id: str, summary: str) -> SubmitAnswer:
    return ACCEPTED


def test_port_zero_is_any_free_one_and_is_named() -> None:
    opened, endpoint = listen("127.0.0.1", 0)
    with opened:
        port = opened.getsockname()[1]
        assert endpoint == Endpoint(f"http://127.0.0.1:{port}")
        assert endpoint.mcp_url == f"http://127.0.0.1:{port}/mcp"
        assert not opened.get_inheritable()


def test_listening_everywhere_is_reported_as_an_address_that_can_be_called() -> None:
    opened, endpoint = listen("0.0.0.0", 0)  # noqa: S104
    with opened:
        assert endpoint.url.startswith("http://127.0.0.1:")


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}: the port is taken") as caught:
            listen("127.0.0.1", port)
        assert caught.value.port == port


@pytest.mark.parametrize(
    ("host", "port"), [("no.such.host.invalid", 0), ("192.0.2.1", 0), ("127.0.0.1", 70000), ("a" * 300, 0)]
)
def test_an_address_that_cannot_be_had_is_one_clear_error(host: str, port: int) -> None:
    with pytest.raises(CannotListen, match="cannot listen at"):
        listen(host, port)


def test_only_names_of_this_server_are_its_hosts() -> None:
    hosts = allowed_hosts(Endpoint("http://127.0.0.1:8097"), "Box.local")
    assert hosts == {"127.0.0.1:8097", "localhost:8097", "[::1]:8097", "box.local:8097"}
    assert "localhost" in allowed_hosts(Endpoint("http://127.0.0.1:80"), "127.0.0.1")


async def test_serve_raises_a_taken_port_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = partial(serve, host="127.0.0.1", port=port, tokens=Tokens(), submit=_submit)
        with pytest.raises(PortTaken):
            await run()


async def test_the_port_is_free_again_at_once_after_the_end(nursery: trio.Nursery) -> None:
    first = await start(nursery)
    assert status_of(await first.health()) == 200
    first.scope.cancel()
    await first.over.wait()
    second = await start(nursery, port=first.address[1])
    assert status_of(await second.health()) == 200


async def test_ipv6_loopback(nursery: trio.Nursery) -> None:
    try:
        service: Service = await start(nursery, host="::1")
    except CannotListen as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert service.endpoint.url.startswith("http://[::1]:")
    assert status_of(await service.health()) == 200
