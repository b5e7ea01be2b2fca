"""How a remote is reached: its URL, who we say we are, whom we believe, and what may be shown of it.

No secret is ever shown: what goes to a person or a file passes `RemoteAccess.clean`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pygit2
from attrs import field, frozen
from pygit2.enums import CredentialType

SHOWN_CHARACTERS: Final = 500
"""Of what a server says: a hook may print a whole build log."""

_SCHEMES: Final = frozenset({"ssh", "git+ssh", "ssh+git", "https", "http", "git", "file"})
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP_LIKE: Final = re.compile(r"(?:[^/:@]+@)?[^/:]+:(?!:)")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_KEY_NAMES: Final = ("id_ed25519", "id_ecdsa", "id_rsa")
_TOKEN_USER: Final = "x-access-token"  # noqa: S105 - what the forges call whoever comes with a token

Credential = pygit2.Username | pygit2.UserPass | pygit2.Keypair


class AccessDenied(Exception):
    """The server wants to know who we are, and nothing that we have will do; says what to give it."""


@frozen
class RemoteAccess:
    """A URL, and the token for it if there is one (only used with https, or on this machine)."""

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def is_supported(self) -> bool:
        """Whether it is a URL or path of a kind that needs no program to be run."""
        if found := _URL.match(self.url):
            return found[1].lower() in _SCHEMES
        return "::" not in self.url.partition("/")[0]

    @property
    def local_path(self) -> Path | None:
        """The repository on this machine that it names, if it does."""
        if found := _URL.match(self.url):
            return Path(unquote(urlsplit(self.url).path)) if found[1].lower() == "file" else None
        return None if _SCP_LIKE.match(self.url) else Path(self.url)

    @property
    def shown(self) -> str:
        """The URL without a password or token."""
        return re.sub(r"(?<=://)[^/@]*@", "", self.url)

    def clean(self, text: str) -> str:
        """What a server or libgit2 said: one line, bounded, without secrets or control characters."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
        return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"

    def passwords(self) -> Iterator[tuple[str, str]]:
        """User and password to try, in this order."""
        if not _URL.match(self.url):
            return
        parts = urlsplit(self.url)
        if parts.username and parts.password:
            yield unquote(parts.username), unquote(parts.password)
        if self.token is not None and (parts.scheme == "https" or parts.hostname in _LOOPBACK):
            yield unquote(parts.username or _TOKEN_USER), self.token

    def is_same_server(self, url: str) -> bool:
        """Whether a URL that credentials are asked for is of the server that they are meant for."""
        own, asked = urlsplit(self.url), urlsplit(url)
        return (own.scheme, own.hostname, own.port) == (asked.scheme, asked.hostname, asked.port)

    def _secrets(self) -> Iterator[str]:
        if self.token:
            yield self.token
        parts = urlsplit(self.url) if _URL.match(self.url) else None
        if parts is not None and parts.password:
            yield from (parts.password, unquote(parts.password))


class Callbacks(pygit2.RemoteCallbacks):
    """What libgit2 asks and tells during one exchange."""

    def __init__(self, access: RemoteAccess, environ: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        self._access = access
        self._passwords = access.passwords()
        self._keys = _ssh_keys(environ)
        self.refusal: str | None = None
        """Why the server did not move the branch."""
        self.said = ""
        """What the server wrote to whoever watches: a hook explains itself there."""

    def credentials(
        self, url: str, username_from_url: str | None, allowed_types: CredentialType
    ) -> Credential:
        """The next thing to try; libgit2 asks again when it was not good enough."""
        if allowed_types & CredentialType.USERNAME:
            return pygit2.Username(username_from_url or "git")
        if allowed_types & CredentialType.SSH_KEY:
            for key in self._keys:
                return _keypair(username_from_url or "git", key)
            raise AccessDenied(
                "no key of the ssh agent (SSH_AUTH_SOCK), and none without a passphrase in ~/.ssh, will do; "
                "add one that may push: ssh-add"
            )
        if allowed_types & CredentialType.USERPASS_PLAINTEXT and self._access.is_same_server(url):
            if (found := next(self._passwords, None)) is not None:
                return pygit2.UserPass(*found)
            if any(self._access.passwords()):
                raise AccessDenied("it does not accept the password or token that it was given")
            raise AccessDenied(
                "it asks for a user and a password; put a token into an environment variable, "
                'and name that in scriptorium.json: "remote": {"tokenEnv": "NAME"}'
            )
        raise AccessDenied("it asks for credentials of a kind that scriptorium does not have")

    def certificate_check(self, certificate: None, valid: bool, host: bytes) -> bool:
        """Whom nobody vouches for is not believed. libgit2 has looked in the store of certificates, or in
        ~/.ssh/known_hosts; pygit2 by itself would let every ssh server pass."""
        if not valid:
            how = (
                "its certificate is signed by nobody that this system knows"
                if self._access.url.lower().startswith("https:")
                else "~/.ssh/known_hosts does not have its key: connect to it once with ssh, and compare"
            )
            raise AccessDenied(f"{host.decode(errors='replace')} may be somebody else: {how}")
        return True

    def push_update_reference(self, refname: str, message: str | None) -> None:
        """The server's answer: None is yes."""
        self.refusal = message

    def sideband_progress(self, string: str) -> None:
        """Text for a person."""
        self.said = (self.said + string)[-4 * SHOWN_CHARACTERS :]


def _ssh_keys(environ: Mapping[str, str]) -> Iterator[Path | None]:
    """The ssh agent (None) if there is one, then the usual files."""
    if environ.get("SSH_AUTH_SOCK"):
        yield None
    folder = Path(environ.get("HOME", "/nonexistent")) / ".ssh"
    yield from (folder / name for name in _KEY_NAMES if (folder / name).is_file())


def _keypair(user: str, key: Path | None) -> pygit2.Keypair:
    if key is None:
        return pygit2.KeypairFromAgent(user)
    public = key.with_name(key.name + ".pub")
    return pygit2.Keypair(user, str(public) if public.is_file() else None, str(key), "")
