"""One `submit_pr` call, for agents without an MCP client. No trio, no mcp, no proxies: it starts fast."""

import http.client
import json
from typing import Any
from urllib.parse import SplitResult, urlsplit

from scriptorium.server.submission import SubmitAnswer

_ANSWER_BYTES = 1024 * 1024
_PROTOCOL_VERSION = "2025-11-25"


class SubmitFailed(Exception):
    """The call failed or was not understood; the message says what to do. Submitting again is always safe."""


def submit_pr(url: str, token: str, summary: str, timeout_seconds: float = 60.0) -> SubmitAnswer:
    """Calls `submit_pr` on a running service and returns its answer, accepted or refused.

    Args:
        url: of the MCP server, as in `SCRIPTORIUM_MCP_URL`. Connected to directly, never through a proxy.
        token: the run's, as in `SCRIPTORIUM_MCP_TOKEN`.
        summary: what was done and why.
        timeout_seconds: for connecting, and again for each wait on the answer.

    Raises:
        SubmitFailed: with a message for the one who called.
    """
    parts = _parse(url)
    if not token.isascii() or not token.isprintable() or not token:
        raise SubmitFailed("the token is empty or malformed: pass SCRIPTORIUM_MCP_TOKEN on as it is")
    body = json.dumps(_call(summary)).encode()
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": _PROTOCOL_VERSION,
    }
    status, answer = _post(url, parts, body, headers, timeout_seconds)
    return _read(url, status, answer)


def _parse(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SubmitFailed(f"{url!r} is no address: {error}") from error
    if (
        parts.scheme != "http"
        or not parts.hostname
        or port == 0
        or not url.isascii()
        or not url.isprintable()
    ):
        raise SubmitFailed(f"{url!r} is no address of the service: pass SCRIPTORIUM_MCP_URL on as it is")
    return parts


def _call(summary: str) -> dict[str, object]:
    # Command line arguments that are no UTF-8 arrive with lone surrogates, which JSON text cannot carry.
    text = summary.encode("utf-8", "replace").decode()
    params = {"name": "submit_pr", "arguments": {"summary": text}}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def _post(
    url: str, parts: SplitResult, body: bytes, headers: dict[str, str], timeout_seconds: float
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_seconds)
    try:
        return _exchange(connection, parts.path or "/", body, headers)
    except TimeoutError as error:
        raise SubmitFailed(
            f"no answer from {url} within {timeout_seconds:g} s. The submission may have been taken: "
            "submit again, the same work is not queued twice"
        ) from error
    except ConnectionRefusedError as error:
        raise SubmitFailed(f"nothing listens at {url}: is `scriptorium run` still running?") from error
    except (OSError, http.client.HTTPException) as error:
        raise SubmitFailed(
            f"the connection to {url} failed ({error!r}). Submit again; the same work is not queued twice"
        ) from error
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, bytes]:
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = response.read(_ANSWER_BYTES + 1)
    if len(answer) <= _ANSWER_BYTES and response.length:
        raise http.client.IncompleteRead(answer, response.length)
    return response.status, answer


def _read(url: str, status: int, body: bytes) -> SubmitAnswer:
    reply = _decode(body)
    error = reply.get("error")
    if isinstance(error, dict):
        raise SubmitFailed(f"{url} refused the call ({status}): {error.get('message')}")
    result = reply.get("result")
    if status != 200 or not isinstance(result, dict) or not isinstance(result.get("content"), list):
        raise SubmitFailed(
            f"{url} answered {status} with something that is no answer to submit_pr: is it scriptorium?"
        )
    texts = [
        part["text"]
        for part in result["content"]
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    ]
    return SubmitAnswer(accepted=result.get("isError") is not True, message="\n".join(texts))


def _decode(body: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):  # also the errors of UTF-8 and of endless numbers
        return {}
    return reply if isinstance(reply, dict) else {}
