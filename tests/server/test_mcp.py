"""The MCP server as agents see it, through a real MCP client."""

import json

import pytest
import trio.testing
from mcp.client.client import ConnectMode
from mcp.shared.exceptions import MCPError

from scriptorium.server import SubmitAnswer, limits

from .service import ACCEPTED, Service, call, read_all, status_of, text_of

MODES = ["legacy", "auto"]


@pytest.mark.req("V1-03")
@pytest.mark.parametrize("mode", MODES)
async def test_a_client_connects_and_sees_one_tool(service: Service, mode: ConnectMode) -> None:
    async with service.client(service.tokens.issue("run-1"), mode) as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["submit_pr"]
    assert tools[0].input_schema["required"] == ["summary"]
    assert service.submissions.begun == []


@pytest.mark.req("V1-21")
@pytest.mark.parametrize("mode", MODES)
async def test_two_runs_at_once_are_each_credited_with_their_own(service: Service, mode: ConnectMode) -> None:
    async def agent(run_id: str) -> None:
        async with service.client(service.tokens.issue(run_id), mode) as client:
            result = await client.call_tool(
                "submit_pr", {"summary": f"Work of {run_id}\n\nLine two, in full. é"}
            )
        assert not result.is_error
        assert text_of(result) == ACCEPTED.message

    service.submissions.hold()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent, "run-1")
        nursery.start_soon(agent, "run-2")
        await service.submissions.wait_begun(2)
        service.submissions.gate.set()
    expected = [(run, f"Work of {run}\n\nLine two, in full. é") for run in ("run-1", "run-2")]
    assert sorted(service.submissions.finished) == expected


async def test_a_refusal_is_a_tool_error_with_the_reason(service: Service) -> None:
    service.submissions.answer = SubmitAnswer(
        accepted=False, message="Nothing to land: the tree is the base's."
    )
    async with service.client(service.tokens.issue("run-1")) as client:
        result = await client.call_tool("submit_pr", {"summary": "Done."})
    assert result.is_error
    assert text_of(result) == "Nothing to land: the tree is the base's."


async def test_a_fault_inside_is_a_tool_error_and_the_server_lives(service: Service) -> None:
    service.submissions.error = RuntimeError("secret detail")
    async with service.client(service.tokens.issue("run-1")) as client:
        result = await client.call_tool("submit_pr", {"summary": "Done."})
        assert result.is_error
        assert "call submit_pr once more" in text_of(result)
        assert "secret detail" not in text_of(result)
        service.submissions.error = None
        assert not (await client.call_tool("submit_pr", {"summary": "Done."})).is_error


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "needs the argument summary"),
        ({"summary": None}, "needs the argument summary"),
        ({"summary": ["a"]}, "needs the argument summary"),
        ({"summary": " \n"}, "The summary is empty"),
        ({"summary": "x" * (limits.SUMMARY_CHARACTERS + 1)}, "Shorten it"),
    ],
)
async def test_a_summary_that_cannot_be_taken_is_explained_and_nothing_is_submitted(
    service: Service, arguments: dict[str, object], reason: str
) -> None:
    async with service.client(service.tokens.issue("run-1")) as client:
        result = await client.call_tool("submit_pr", arguments)
    assert result.is_error
    assert reason in text_of(result)
    assert service.submissions.begun == []


async def test_a_call_that_goes_well_is_not_worth_a_line_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sent = service.post(json.dumps(call("Done.")).encode(), service.tokens.issue("run-1"))
    assert status_of(await service.ask(sent)) == 200
    assert caplog.records == []


async def test_an_unknown_tool_is_a_protocol_error(service: Service) -> None:
    async with service.client(service.tokens.issue("run-1")) as client:
        with pytest.raises(MCPError, match="the only one is submit_pr"):
            await client.call_tool("merge", {})


async def test_the_token_dies_with_the_run(service: Service) -> None:
    token = service.tokens.issue("run-1")
    body = json.dumps(call("Done.")).encode()
    assert status_of(await service.ask(service.post(body, token))) == 200
    service.tokens.revoke("run-1")
    response = await service.ask(service.post(body, token))
    assert status_of(response) == 401
    assert b"A token ends with its run" in response
    assert len(service.submissions.begun) == 1


async def test_a_token_revoked_while_the_body_is_on_its_way_is_dead(service: Service) -> None:
    token = service.tokens.issue("run-1")
    sent = service.post(json.dumps(call("Done.")).encode(), token)
    async with await service.open() as stream:
        await stream.send_all(sent[:-1])
        await trio.testing.wait_all_tasks_blocked()
        service.tokens.revoke("run-1")
        await stream.send_all(sent[-1:])
        assert status_of(await read_all(stream)) == 401
    assert service.submissions.begun == []
