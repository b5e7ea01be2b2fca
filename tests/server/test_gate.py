"""The gate by itself: what it reads, and when it hangs up."""

from typing import Any

from attrs import Factory, define

from scriptorium.server import Tokens, limits
from scriptorium.server.asgi import Message, Receive, Scope, Send
from scriptorium.server.gate import RUN_KEY, Gate

HOST = "127.0.0.1:8097"
PIECE = b"x" * 65536


@define
class Peer:
    """A connection whose client sends the same piece again and again, to the end if there is one."""

    pieces: float = float("inf")
    read: int = 0
    protected: bool = False
    hung_up: bool = False
    sent: list[Message] = Factory(list)

    def protect(self) -> None:
        self.protected = True

    def hang_up(self) -> None:
        self.hung_up = True

    async def receive(self) -> Message:
        self.read += 1
        return {"type": "http.request", "body": PIECE, "more_body": self.read < self.pieces}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> Any:
        return self.sent[0]["status"]


async def _mcp(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope[RUN_KEY].encode() + body[:1]})


async def _ask(peer: Peer, token: str | None, tokens: Tokens, version: str = "1.1") -> None:
    headers = [(b"host", HOST.encode())]
    if token is not None:
        headers.append((b"authorization", f"bearer {token}".encode()))
    scope = {"type": "http", "http_version": version, "method": "POST", "path": "/mcp", "headers": headers}
    await Gate(_mcp, frozenset({HOST}), tokens)(peer, scope, peer.receive, peer.send)


async def test_an_admitted_request_goes_through_whole_and_is_protected() -> None:
    tokens, peer = Tokens(), Peer(pieces=3)
    await _ask(peer, tokens.issue("run-1"), tokens)
    assert (peer.status, peer.protected, peer.hung_up) == (200, True, False)
    assert peer.sent[1]["body"] == b"run-1x"


async def test_a_body_without_an_end_is_neither_kept_nor_read_for_ever() -> None:
    tokens, peer = Tokens(), Peer()
    await _ask(peer, tokens.issue("run-1"), tokens)
    assert (peer.status, peer.protected, peer.hung_up) == (413, False, True)
    assert peer.read * len(PIECE) <= limits.REQUEST_BYTES + limits.DRAIN_BYTES + 2 * len(PIECE)
    assert peer.sent[-1]["more_body"], "an answer must not be ended while the client still sends"


async def test_a_refused_request_is_read_to_its_end_before_the_answer_is_ended() -> None:
    peer = Peer(pieces=20)
    await _ask(peer, None, Tokens())
    assert (peer.status, peer.protected, peer.hung_up) == (401, False, False)
    assert peer.read == 20
    assert not peer.sent[-1]["more_body"]


async def test_other_versions_of_http_are_hung_up_on() -> None:
    tokens, peer = Tokens(), Peer(pieces=1)
    await _ask(peer, tokens.issue("run-1"), tokens, version="2")
    assert peer.hung_up
    assert peer.sent == []
