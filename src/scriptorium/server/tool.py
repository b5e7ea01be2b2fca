"""The MCP side: one tool, `submit_pr`, over streamable HTTP without sessions.

The only module that imports mcp (0.6-0.9 s, most of it pydantic building the protocol's types), so `serve`
loads it in a thread.
"""

import logging
from typing import Any

from mcp.server import Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from scriptorium import __version__
from scriptorium.server.asgi import Application, Receive, Scope, Send
from scriptorium.server.gate import RUN_KEY
from scriptorium.server.limits import REQUEST_BYTES, SUMMARY_CHARACTERS
from scriptorium.server.submission import Submissions, SubmitAnswer

_SUBMIT_PR = Tool(
    name="submit_pr",
    title="Submit the work",
    description=(
        "Submit the work in your worktree for your ticket. Call it once, when the work is complete: what the "
        "worktree holds then is taken (committed or not, ignored files excepted), merged with the base "
        "branch, checked, and landed if the checks pass. The call answers at once, before any check runs. "
        "If it is refused, the answer says why; put that right and call it again. Once it is accepted, stop "
        "working. The answer may say what it will conflict with."
    ),
    input_schema={
        "type": "object",
        "properties": {
            "summary": {
                "type": "string",
                "minLength": 1,
                "maxLength": SUMMARY_CHARACTERS,
                "description": "What was done and why, as the message of a pull request: a first line, "
                "then as many lines as it needs.",
            }
        },
        "required": ["summary"],
        "additionalProperties": False,
    },
    annotations=ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
)

_QUIET = ("mcp.server.streamable_http", "mcp.server.streamable_http_manager", "mcp.server.transport_security")


def mcp_application(submit: Submissions) -> Application:
    """An ASGI application for POSTs to `/mcp` from callers that are known (`RUN_KEY` in the scope).

    Each request gets a session manager of its own. mcp's manager runs requests in one task group, where a
    fault in one would end all; and with nothing shared there is nothing that could grow.
    """
    _quieten()
    server = _server(submit)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=REQUEST_BYTES
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)

    return application


def _server(submit: Submissions) -> Server[Any]:
    # Not MCPServer: that one installs a rich handler on the root logger of whoever embeds us, and offers
    # prompts, resources and subscription streams that we do not have.
    async def list_tools(
        context: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[_SUBMIT_PR])

    async def call_tool(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        if params.name != _SUBMIT_PR.name:
            raise MCPError(INVALID_PARAMS, f"There is no tool {params.name!r}; the only one is submit_pr.")
        summary = (params.arguments or {}).get("summary")
        if not isinstance(summary, str):
            return _result(
                SubmitAnswer(accepted=False, message="submit_pr needs the argument summary, a string.")
            )
        assert context.request is not None  # noqa: S101  every request of this transport is an HTTP one
        return _result(await submit(context.request.scope[RUN_KEY], summary))

    return Server("scriptorium", version=__version__, on_list_tools=list_tools, on_call_tool=call_tool)


def _result(answer: SubmitAnswer) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=answer.message)], is_error=not answer.accepted)


def _quieten() -> None:
    # Three lines a request at INFO say nothing here; a level that someone has set stays.
    for name in _QUIET:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
