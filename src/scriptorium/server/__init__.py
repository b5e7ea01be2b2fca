"""The service's HTTP side: an MCP server on loopback that takes agents' submissions.

Light on purpose: `scriptorium submit` passes through here, so neither trio nor mcp is imported.
The server itself is `scriptorium.server.serve.serve`, the client `scriptorium.server.client.submit_pr`.
"""

from scriptorium.server.endpoint import CannotListen, Endpoint, PortTaken
from scriptorium.server.submission import Submissions, SubmitAnswer
from scriptorium.server.tokens import Tokens, TooManyTokens

__all__ = [
    "CannotListen",
    "Endpoint",
    "PortTaken",
    "Submissions",
    "SubmitAnswer",
    "Tokens",
    "TooManyTokens",
]
