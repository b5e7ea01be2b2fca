"""A model on loopback for the real CLIs: plays a script and records what it was sent. No network, no key.

What the model does is told in `Step`s and what it is asked is read into a `Conversation`: neither knows the
wire. `responses_api.py` and `messages_api.py` do, each as far as one CLI uses it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from typing import Any, Final, Protocol, TypeAlias

import h11
import trio
from attrs import Factory, define, field, frozen

REQUEST_BYTES: Final = 16 * 1024 * 1024
TOKENS_IN: Final = 100
TOKENS_OUT: Final = 10
"""What every answer claims to have cost."""

_ROLES: Final = {
    "architect": "You are the architect of",
    "manager": "You are the manager of one area",
    "planning": "You help a person write",
    "coding": "You are a software engineer.",
}


# ---------------------------------------------------------------- what a model does, and what it is asked


@frozen
class Shell:
    """Have the CLI run a shell command."""

    command: str


@frozen
class CallTool:
    """Have the CLI call a tool of an MCP server."""

    tool: str
    arguments: Mapping[str, object]
    server: str = "scriptorium"


@frozen
class Say:
    """Say something; this ends the turn."""

    text: str


Step: TypeAlias = Shell | CallTool | Say


@frozen
class Refuse:
    """Do not answer but with an HTTP error: 429 or 503, as an overloaded service does."""

    status: int
    message: str = "The model is overloaded."


@frozen
class BreakOff:
    """Begin to answer, then drop the connection."""


@frozen
class KeepSilent:
    """Take the question and never answer."""


@frozen
class Limit:
    """The rate limit is reached, for so many seconds: said so that the CLI tells it and does not wait."""

    seconds: int

    @property
    def message(self) -> str:
        """What the provider says."""
        return f"Rate limit reached for this model. Please try again in {self.seconds}s."


Fault: TypeAlias = Refuse | BreakOff | KeepSilent | Limit
"""In place of a step. It brings no output, so it comes again when the CLI asks again."""

OUT_OF_STEPS: Final = Say("Nothing is left to do.")


@frozen
class Conversation:
    """What the model sees: the prompts so far, and what its steps since the last one have brought."""

    prompts: tuple[str, ...]
    outputs: tuple[str, ...] = ()

    @property
    def prompt(self) -> str:
        """The prompt that is being answered."""
        return self.prompts[-1] if self.prompts else ""

    @property
    def role(self) -> str | None:
        """Which of scriptorium's agents this is. A continued one says so only in its first prompt."""
        found = (role for text in self.prompts for role, words in _ROLES.items() if words in text)
        return next(found, None)


Script: TypeAlias = Callable[[Conversation], Sequence[Step | Fault]]
"""All steps of the answer to the last prompt. It is asked before each step, so it may look at the outputs."""


def by_role(**scripts: Sequence[Step | Fault] | Script) -> Script:
    """A script that plays each role's own: `by_role(architect=[...], coding=lambda conversation: [...])`."""

    def play(conversation: Conversation) -> Sequence[Step | Fault]:
        if conversation.role not in scripts:
            raise LookupError(f"no script for {conversation.role}: {conversation.prompt[:200]!r}")
        script = scripts[conversation.role]
        return script(conversation) if callable(script) else script

    return play


# ---------------------------------------------------------------- the wire


class Api(Protocol):
    """How one vendor's CLI puts questions and takes answers."""

    @property
    def path(self) -> str:
        """Where questions are posted to."""

    def aside(self, body: dict[str, Any]) -> Step | None:
        """The answer to a question of the CLI's own, which is no part of the conversation; else None."""

    def read(self, body: dict[str, Any]) -> Conversation:
        """What a question asks."""

    def write(self, step: Step, number: int) -> Iterator[dict[str, Any]]:
        """The events of an answer, each with its `type`; `number` is unique to the answer."""

    def limit(self, message: str, number: int) -> Refuse | Iterator[dict[str, Any]]:
        """How the provider says that a rate limit is reached: by its status, or in an answer."""


# ---------------------------------------------------------------- the server


@frozen
class Recorded:
    """One request as it came; `body` is the parsed JSON, None when there was none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any] | None
    conversation: Conversation | None = None


@define
class ModelServer:
    """The server. `faults` are requests that it could not answer: a test should find none."""

    script: Script
    api: Api
    requests: list[Recorded] = Factory(list)
    faults: list[str] = Factory(list)
    url: str = field(default="", init=False)
    _answers: int = field(default=0, init=False)

    @property
    def conversations(self) -> list[Conversation]:
        """What the model was asked, in order."""
        return [each.conversation for each in self.requests if each.conversation is not None]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ModelServer]:
        """Serves on a free port of loopback within the block; `url` is then its address, without `/v1`."""
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1")
            listeners: list[trio.SocketListener] = await nursery.start(serve)
            self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            yield self
            nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            request, body = await _receive(stream, connection)
            await self._answer(request, body, partial(_send, stream, connection))
        except (trio.BrokenResourceError, h11.ProtocolError) as error:
            self.faults.append(f"a request broke off: {error!r}")

    async def _answer(self, request: h11.Request, body: bytes, send: Send) -> None:
        path = request.target.decode().partition("?")[0]
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        method, api = request.method.decode(), self.api
        if method == "GET" and path == "/v1/models":
            self.requests.append(Recorded(method, path, headers, None))
            await _send_json(send, 200, {"object": "list", "data": []})
            return
        try:
            question = _question(method, path, body, api)
            if (answer := api.aside(question)) is not None:
                self._answers += 1
                await _send_events(send, api.write(answer, self._answers))
                return
            conversation = api.read(question)
            self.requests.append(Recorded(method, path, headers, question, conversation))
            step = _step(self.script(conversation), conversation)
        except Exception as error:
            # 400: unlike a 500, the CLI does not ask again and again.
            self.faults.append(repr(error))
            await _send_json(send, 400, {"error": {"message": f"model server: {error!r}"}})
            return
        await self._take(step, send)

    async def _take(self, step: Step | Fault, send: Send) -> None:
        self._answers += 1
        api = self.api
        answer = api.limit(step.message, self._answers) if isinstance(step, Limit) else step
        match answer:
            case Refuse(status, message):
                await _send_json(send, status, {"error": {"message": message}})
            case BreakOff():
                await _send_events(send, islice(api.write(OUT_OF_STEPS, self._answers), 1), whole=False)
            case KeepSilent():
                await trio.sleep_forever()
            case Shell() | CallTool() | Say():
                await _send_events(send, api.write(answer, self._answers))
            case _:
                await _send_events(send, answer)


def _question(method: str, path: str, body: bytes, api: Api) -> dict[str, Any]:
    if (method, path) != ("POST", api.path):
        raise LookupError(f"nothing answers {method} {path}")
    question: dict[str, Any] = json.loads(body)
    return question


def _step(steps: Sequence[Step | Fault], conversation: Conversation) -> Step | Fault:
    done = len(conversation.outputs)
    return steps[done] if done < len(steps) else OUT_OF_STEPS


Send: TypeAlias = Callable[[h11.Event], Any]


async def _receive(stream: trio.SocketStream, connection: h11.Connection) -> tuple[h11.Request, bytes]:
    request: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > REQUEST_BYTES:
                raise h11.RemoteProtocolError("too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, bytes(body)
        else:
            raise h11.RemoteProtocolError(f"unexpected {event!r}")


async def _send(stream: trio.SocketStream, connection: h11.Connection, event: h11.Event) -> None:
    data = connection.send(event)
    if data:
        await stream.send_all(data)


async def _send_json(send: Send, status: int, value: object) -> None:
    data = json.dumps(value).encode()
    headers = [
        ("content-type", "application/json"),
        ("content-length", str(len(data))),
        ("connection", "close"),
    ]
    await send(h11.Response(status_code=status, headers=headers))
    await send(h11.Data(data=data))
    await send(h11.EndOfMessage())


async def _send_events(send: Send, events: Iterator[dict[str, Any]], *, whole: bool = True) -> None:
    headers = [("content-type", "text/event-stream"), ("connection", "close")]
    await send(h11.Response(status_code=200, headers=headers))
    for event in events:
        await send(h11.Data(data=f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()))
    if whole:
        await send(h11.EndOfMessage())
