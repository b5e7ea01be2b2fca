"""Bearer tokens: one for each run, alive as long as the run, good for that run alone."""

import secrets
from collections.abc import Callable
from hashlib import sha256

from scriptorium.server.limits import TOKENS


class TooManyTokens(Exception):
    """More runs hold a token than can be alive at once. Our own fault: some run ended without `revoke`."""


def _new_token() -> str:
    return secrets.token_urlsafe(32)


class Tokens:
    """The live tokens and the run that each stands for.

    Only digests are kept, so no token can be read out of a core dump, and a lookup takes the same time
    whatever part of a guess is right: a digest says nothing about how near its input was.
    """

    def __init__(self, new_token: Callable[[], str] = _new_token) -> None:
        self._new_token = new_token
        self._run_by_digest: dict[bytes, str] = {}
        self._digest_by_run: dict[str, bytes] = {}

    def issue(self, run_id: str) -> str:
        """Makes the token of a run; a token that the run had before dies.

        Raises:
            TooManyTokens: `limits.TOKENS` runs hold one already.
        """
        self.revoke(run_id)
        if len(self._digest_by_run) >= TOKENS:
            raise TooManyTokens(f"{TOKENS} runs hold a token already; ended runs must be revoked")
        token = self._new_token()
        digest = _digest(token)
        self._run_by_digest[digest] = run_id
        self._digest_by_run[run_id] = digest
        return token

    def revoke(self, run_id: str) -> None:
        """Ends the run's token. A run without one is fine."""
        digest = self._digest_by_run.pop(run_id, None)
        if digest is not None:
            del self._run_by_digest[digest]

    def caller(self, token: str) -> str | None:
        """The run that the token stands for, or None when there is no live one."""
        return self._run_by_digest.get(_digest(token))

    def __len__(self) -> int:
        return len(self._digest_by_run)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
