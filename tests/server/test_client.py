"""`scriptorium submit`'s side of the call: against the real server, and against things that are none."""

import subprocess
import sys
from contextlib import suppress
from functools import partial

import pytest
import trio

from scriptorium.server import SubmitAnswer, limits
from scriptorium.server.client import SubmitFailed, submit_pr

from .service import ACCEPTED, Service


async def _submit(url: str, token: str, summary: str, timeout_seconds: float = 30.0) -> SubmitAnswer:
    return await trio.to_thread.run_sync(submit_pr, url, token, summary, timeout_seconds)


@pytest.mark.req("V1-21")
async def test_two_runs_at_once_are_each_credited_with_their_own(service: Service) -> None:
    answers: list[SubmitAnswer] = []

    async def agent(run_id: str) -> None:
        token = service.tokens.issue(run_id)
        answers.append(await _submit(service.endpoint.mcp_url, token, f"Work of {run_id}\n\nIn full. é"))

    service.submissions.hold()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent, "run-1")
        nursery.start_soon(agent, "run-2")
        await service.submissions.wait_begun(2)
        service.submissions.gate.set()
    assert answers == [ACCEPTED, ACCEPTED]
    expected = [(run, f"Work of {run}\n\nIn full. é") for run in ("run-1", "run-2")]
    assert sorted(service.submissions.finished) == expected


async def test_a_refusal_is_an_answer(service: Service) -> None:
    service.submissions.answer = SubmitAnswer(accepted=False, message="Nothing to land.")
    answer = await _submit(service.endpoint.mcp_url, service.tokens.issue("run-1"), "Done.")
    assert answer == SubmitAnswer(accepted=False, message="Nothing to land.")


async def test_an_expired_token_is_explained(service: Service) -> None:
    token = service.tokens.issue("run-1")
    service.tokens.revoke("run-1")
    with pytest.raises(SubmitFailed, match=r"401.*A token ends with its run"):
        await _submit(service.endpoint.mcp_url, token, "Done.")
    assert service.submissions.begun == []


async def test_a_huge_summary_is_refused_and_the_server_lives(service: Service) -> None:
    token = service.tokens.issue("run-1")
    answer = await _submit(service.endpoint.mcp_url, token, "x" * (limits.SUMMARY_CHARACTERS + 1))
    assert not answer.accepted
    with pytest.raises(SubmitFailed, match=r"413|connection"):
        await _submit(service.endpoint.mcp_url, token, "x" * limits.REQUEST_BYTES)
    assert service.submissions.begun == []
    assert await _submit(service.endpoint.mcp_url, token, "Done.") == ACCEPTED


async def test_a_summary_that_is_no_utf_8_arrives_readable(service: Service) -> None:
    await _submit(service.endpoint.mcp_url, service.tokens.issue("run-1"), "caf\udce9")
    assert service.submissions.begun == [("run-1", "caf?")]


async def test_proxies_are_not_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert await _submit(service.endpoint.mcp_url, service.tokens.issue("run-1"), "Done.") == ACCEPTED


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8097/mcp",
        "https://127.0.0.1/mcp",
        "http://",
        "http://[::1",
        "http://h:99999/",
        "http://h\n/",
        "http://é/",
    ],
)
def test_an_address_that_is_none_is_explained(url: str) -> None:
    with pytest.raises(SubmitFailed, match="is no address"):
        submit_pr(url, "token", "Done.")


@pytest.mark.parametrize("token", ["", "a\nb", "é"])
def test_a_token_that_is_none_is_explained(token: str) -> None:
    with pytest.raises(SubmitFailed, match="SCRIPTORIUM_MCP_TOKEN"):
        submit_pr("http://127.0.0.1:1/mcp", token, "Done.")


async def test_a_service_that_is_gone_is_explained(service: Service) -> None:
    service.scope.cancel()
    await service.over.wait()
    with pytest.raises(SubmitFailed, match=r"nothing listens at .* is `scriptorium run` still running"):
        await _submit(service.endpoint.mcp_url, "token", "Done.")


def _json(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "connection .* failed"),
        (b"garbage\r\n\r\n", "connection .* failed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{", "connection .* failed"),
        (_json(b"", b"500 Oops"), "answered 500"),
        (_json(b"\xff"), "is it scriptorium"),
        (_json(b"[]"), "is it scriptorium"),
        (_json(b"[" * 100_000), "is it scriptorium"),
        (_json(b'{"result": {"content": "x"}}'), "is it scriptorium"),
        (_json(b'{"result": 1}'), "is it scriptorium"),
        (_json(b" " * (2 * 1024 * 1024)), "is it scriptorium"),
        (_json(b'{"error": {"message": "no such tool"}}'), "no such tool"),
    ],
)
async def test_an_answer_that_is_none_is_explained(nursery: trio.Nursery, answer: bytes, reason: str) -> None:
    async def something_else(stream: trio.SocketStream) -> None:
        while b"tools/call" not in await stream.receive_some():
            pass
        with suppress(trio.BrokenResourceError):
            await stream.send_all(answer)

    listeners: list[trio.SocketListener] = await nursery.start(
        partial(trio.serve_tcp, something_else, 0, host="127.0.0.1")
    )
    port = listeners[0].socket.getsockname()[1]
    with pytest.raises(SubmitFailed, match=reason):
        await _submit(f"http://127.0.0.1:{port}/mcp", "token", "Done.")


async def test_an_answer_that_never_comes_is_explained(service: Service) -> None:
    service.submissions.hold()
    with pytest.raises(SubmitFailed, match=r"no answer .* submit again"):
        await _submit(service.endpoint.mcp_url, service.tokens.issue("run-1"), "Done.", timeout_seconds=0.1)
    service.submissions.gate.set()
    await service.submissions.wait_finished(1)


@pytest.mark.parametrize("module", ["scriptorium.server", "scriptorium.server.client"])
def test_it_starts_light(module: str) -> None:
    heavy = {"trio", "mcp", "hypercorn", "asyncio", "pydantic", "h11"}
    code = f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
