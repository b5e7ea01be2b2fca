"""Bad input: wrong callers, foreign pages, malformed HTTP, huge and slow requests, floods.

The server lives through all of it and nothing is submitted by any of it.
"""

import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import trio
import trio.testing

from scriptorium.server import limits

from .service import Service, call, read_all, read_response, request, start, status_of

FUZZ_SEED = 20
FUZZ_CASES = 400

_WS_KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.fixture
async def hardy(service: Service, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Service]:
    """The server; after the test it must have submitted nothing, taken no blame, and still answer."""
    yield service
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert service.submissions.begun == []
    assert status_of(await service.health()) == 200
    token = service.tokens.issue("afterwards")
    assert status_of(await service.ask(service.post(_body(), token))) == 200
    assert service.submissions.begun == [("afterwards", "Done.")]


def _body() -> bytes:
    return json.dumps(call("Done.")).encode()


async def test_health_says_nothing_but_that_it_lives(hardy: Service) -> None:
    response = await hardy.health()
    head, _, body = response.partition(b"\r\n\r\n")
    assert status_of(head) == 200
    assert json.loads(body) == {"status": "ok"}
    assert b"server:" not in head.lower()
    assert b"hypercorn" not in response.lower()


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer " + "a" * 9000,
    ],
)
async def test_without_a_live_token_the_answer_is_401(hardy: Service, authorization: str | None) -> None:
    token = hardy.tokens.issue("run-1")
    value = None if authorization is None else authorization.format(token=token)
    response = await hardy.ask(hardy.post(_body(), None, authorization=value))
    assert status_of(response) == 401
    assert b"www-authenticate: bearer" in response.lower()
    error = json.loads(response.partition(b"\r\n\r\n")[2])
    assert "SCRIPTORIUM_MCP_TOKEN" in error["error"]["message"]


async def test_two_authorization_headers_are_none(hardy: Service) -> None:
    token = hardy.tokens.issue("run-1")
    doubled = hardy.post(_body(), token).replace(
        b"\r\nhost:", f"\r\nauthorization: Bearer {token}\r\nhost:".encode()
    )
    assert status_of(await hardy.ask(doubled)) == 401


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:{port}"}, 421),
        ({"host": "127.0.0.1:1"}, 421),
        ({"host": "\xff\xfe:{port}"}, 421),
        ({"host": None}, 400),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://127.0.0.1:{port}"}, 403),
        ({"content-type": "text/plain"}, 400),
        ({"accept": "text/html"}, 406),
        ({"mcp-protocol-version": "1999-01-01"}, 400),
        ({"content-length": "99999999"}, 413),
        ({"content-length": str(limits.REQUEST_BYTES + 1)}, 413),
        ({"content-length": "-1"}, 400),
        ({"content-length": "1" * 5000}, 400),
        ({"x-long": "a" * 100_000}, 431),
    ],
)
async def test_a_request_that_is_not_for_us_is_refused(
    hardy: Service, changed: dict[str, str | None], status: int
) -> None:
    port = str(hardy.address[1])
    changed = {name: value and value.replace("{port}", port) for name, value in changed.items()}
    sent = hardy.post(_body(), hardy.tokens.issue("run-1"), **changed)
    async with await hardy.open() as stream:
        await stream.send_all(sent)
        with trio.fail_after(30):
            assert status_of(await read_response(stream)) == status


async def test_an_origin_of_our_own_is_let_through(service: Service) -> None:
    sent = service.post(
        _body(), service.tokens.issue("run-1"), origin=f"http://localhost:{service.address[1]}"
    )
    assert status_of(await service.ask(sent)) == 200
    assert len(service.submissions.begun) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/mcp", 405),
        ("DELETE", "/mcp", 405),
        ("POST", "/health", 405),
        ("GET", "/", 404),
        ("GET", "/%00/../mcp", 404),
        ("POST", "/mcp/", 404),
        ("BREW", "/mcp", 405),
    ],
)
async def test_methods_and_paths_that_are_not_served(
    hardy: Service, method: str, path: str, status: int
) -> None:
    token = hardy.tokens.issue("run-1")
    headers = {"host": hardy.authority, "authorization": f"Bearer {token}", "accept": "text/event-stream"}
    assert status_of(await hardy.ask(request(method, path, headers))) == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":'
        b' {"name": "submit_pr", "arguments": 7}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}',
        b'{"jsonrpc": "2.0", "id": {}, "method": "tools/call", "params": {"name": "submit_pr"}}',
        b'{"jsonrpc": "2.0", "method": "tools/call", "params":'
        b' {"name": "submit_pr", "arguments": {"summary": "x"}}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "no/such"}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"1" * 10_000,
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":'
        b' {"name": "submit_pr", "arguments": {"summary": "\\ud800"}}}',
    ],
)
@pytest.mark.parametrize("version", [None, "2025-06-18", "2026-07-28"])
async def test_a_body_that_is_no_call_is_answered_and_nothing_happens(
    hardy: Service, body: bytes, version: str | None
) -> None:
    token = hardy.tokens.issue("run-1")
    response = await hardy.ask(hardy.post(body, token, mcp_protocol_version=version))
    assert status_of(response) in {200, 202, 400, 404}
    if status_of(response) == 200:
        answer = json.loads(response.partition(b"\r\n\r\n")[2])
        assert "error" in answer or answer["result"]["isError"]


@pytest.mark.parametrize("authorized", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_huge_body_is_refused_unread_and_held_by_nobody(
    hardy: Service, authorized: bool, chunked: bool
) -> None:
    token = hardy.tokens.issue("run-1") if authorized else None
    size = limits.REQUEST_BYTES * 4
    framing = (
        {"content_length": None, "transfer_encoding": "chunked"} if chunked else {"content_length": str(size)}
    )
    piece = b"x" * 65536
    async with await hardy.open() as stream:
        await stream.send_all(hardy.post(b"", token, **framing))
        for _ in range(size // len(piece)):
            await stream.send_all(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
        await stream.send_all(b"0\r\n\r\n" if chunked else b"")
        assert status_of(await read_response(stream)) == (413 if authorized else 401)


async def test_a_body_without_an_end_is_cut_off(hardy: Service) -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    async with await hardy.open() as stream:
        await stream.send_all(hardy.post(b"", None, content_length=None, transfer_encoding="chunked"))
        with pytest.raises(trio.BrokenResourceError):
            for _ in range(limits.DRAIN_BYTES):
                await stream.send_all(piece)


def _mutated(random_: random.Random, authority: str, token: str) -> bytes:
    """A handshake or request with one to four things wrong."""
    upgrade = [
        b"GET /mcp HTTP/1.1", b"Host: " + authority.encode(), b"Connection: Upgrade", b"Upgrade: websocket",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Protocol: chat", b"Authorization: Bearer " + token.encode(),
    ]  # fmt: skip
    post = [
        b"POST /mcp HTTP/1.1", b"Host: " + authority.encode(), b"Content-Type: application/json",
        b"Transfer-Encoding: chunked", b"Authorization: Bearer " + token.encode(), b"Expect: 100-continue",
    ]  # fmt: skip
    http2 = [b"GET / HTTP/1.1", b"Host: " + authority.encode(), b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"]
    lines = random_.choice([upgrade, upgrade, post, http2])[:]
    tail = random_.choice(
        [b"", b"x", b"\x81\x85abcd", b"\xff" * 40, b"5\r\nhello\r\n", b"zz\r\n", b"GET / HTTP/1.1\r\n"]
    )
    for _ in range(random_.randint(1, 4)):
        spot = random_.randrange(len(lines))
        match random_.randrange(7):
            case 0:
                lines[spot] = lines[spot] + bytes(
                    random_.randrange(256) for _ in range(random_.randint(1, 8))
                )
            case 1:
                lines.pop(spot) if len(lines) > 1 else None
            case 2:
                lines.append(lines[spot])
            case 3:
                name = random_.choice(
                    [b"Sec-WebSocket-Protocol", b"Host", b"Sec-WebSocket-Extensions", b"Origin"]
                )
                lines.append(
                    name + b": " + random_.choice([b"\xe9\xff", b"", b",,,", b"permessage-deflate; x=\xff"])
                )
            case 4:
                cut = random_.randrange(len(lines[spot]) + 1)
                lines[spot] = lines[spot][:cut]
            case 5:
                lines[0] = random_.choice(
                    [b"PRI * HTTP/2.0", b"GET /\xff HTTP/1.1", b"GET // HTTP/9.9", b"\x16\x03\x01"]
                )
            case _:
                lines[spot] = lines[spot].replace(b":", random_.choice([b"", b"::", b" :", b"\x00"]))
    return b"\r\n".join(lines) + random_.choice([b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b""]) + tail


@pytest.mark.slow
async def test_malformed_handshakes_kill_nothing(hardy: Service) -> None:
    random_ = random.Random(FUZZ_SEED)  # noqa: S311
    token = hardy.tokens.issue("run-1")
    limiter = trio.CapacityLimiter(16)

    async def attack(data: bytes, hang_up: bool) -> None:
        async with limiter, await hardy.open() as stream:
            try:
                await stream.send_all(data)
                if not hang_up:
                    await stream.send_eof()
                    await read_all(stream)
            except trio.BrokenResourceError:
                pass

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for _ in range(FUZZ_CASES):
                nursery.start_soon(attack, _mutated(random_, hardy.authority, token), random_.random() < 0.2)


@pytest.mark.parametrize(
    "handshake",
    [
        _WS_KEY + b"Sec-WebSocket-Protocol: \xe9\xff\r\nSec-WebSocket-Version: 13\r\n\r\n",
        _WS_KEY + b"Sec-WebSocket-Version: 13\r\n\r\nx",
        b"Sec-WebSocket-Version: 13\r\n\r\n",
    ],
)
async def test_the_handshakes_that_are_known_to_kill_hypercorn(hardy: Service, handshake: bytes) -> None:
    head = f"GET /mcp HTTP/1.1\r\nHost: {hardy.authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    async with await hardy.open() as stream:
        await stream.send_all(head.encode() + handshake)
        await stream.send_eof()
        await read_all(stream)


@pytest.mark.slow
async def test_a_flood_of_idle_connections_keeps_nobody_out(hardy: Service) -> None:
    async with AsyncExitStack() as idle:
        streams = [await idle.enter_async_context(await hardy.open()) for _ in range(limits.CONNECTIONS + 40)]
        assert status_of(await hardy.health()) == 200
        # The oldest made room, at the latest for that request.
        for stream in streams[:41]:
            assert await read_all(stream) == b""
        await streams[41].send_all(request("GET", "/health", {"Host": hardy.authority}))
        assert status_of(await read_all(streams[41])) == 200


@pytest.mark.slow
async def test_calls_that_are_being_answered_are_not_closed_to_make_room(service: Service) -> None:
    service.submissions.hold()
    responses: list[int] = []

    async def agent(number: int) -> None:
        sent = service.post(_body(), service.tokens.issue(f"run-{number}"))
        responses.append(status_of(await service.ask(sent)))

    async with trio.open_nursery() as nursery:
        for number in range(limits.CONNECTIONS):
            nursery.start_soon(agent, number)
        await service.submissions.wait_begun(limits.CONNECTIONS)
        assert status_of(await service.health()) == 503
        service.submissions.gate.set()
    assert responses == [200] * limits.CONNECTIONS


async def test_pipelined_requests_are_not_answered_twice(service: Service) -> None:
    token = service.tokens.issue("run-1")
    response = await service.ask(service.post(_body(), token) * 3)
    assert response.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in response.lower()
    assert len(service.submissions.begun) == 1


@pytest.mark.slow
async def test_slow_requests_are_given_up(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    autojump_clock.autojump_threshold = 0.05  # real time for what is on its way through the kernel
    service = await start(nursery)
    head = service.post(b"", service.tokens.issue("run-1"), content_length="10")
    for unfinished, status, bound in [
        (b"", None, limits.HEADER_SECONDS),
        (b"POST /mcp HT", None, limits.HEADER_SECONDS),
        (head, 408, limits.BODY_SECONDS + limits.DRAIN_SECONDS),
        (head + b"{", 408, limits.BODY_SECONDS + limits.DRAIN_SECONDS),
    ]:
        async with await service.open() as stream:
            began = trio.current_time()
            await stream.send_all(unfinished)
            response = await read_all(stream)
            assert trio.current_time() - began == pytest.approx(bound, abs=1)
        assert (status_of(response) if response else None) == status
    assert service.submissions.begun == []
    assert status_of(await service.health()) == 200
