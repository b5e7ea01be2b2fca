"""What happens to a child's output on its way: secrets masked, logged up to a limit, cut into lines.

Pure but for the log file. Everything is fed in chunks of any size and keeps bounded memory.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import define, field

MASK: Final = b"[masked]"
SHORTEST_SECRET_BYTES: Final = 8
"""Shorter values are words that occur anywhere; masking them would only ruin the log."""


@define
class Masker:
    """Replaces secrets in a stream, also those that two chunks share.

    A secret is masked as it is and as JSON writes it. What may be the beginning of a secret is held back
    until the next chunk; a whole line is never held back for a secret that holds no newline.
    """

    _forms: tuple[bytes, ...]
    _any: re.Pattern[bytes]
    _held: bytes = b""

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Masker:
        """A masker for these secrets; those of less than eight bytes are not taken for secrets."""
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST_SECRET_BYTES}
        longest_first = tuple(sorted(forms, key=len, reverse=True))
        return cls(longest_first, re.compile(b"|".join(re.escape(form) for form in longest_first)))

    def feed(self, chunk: bytes) -> bytes:
        """The next chunk, masked; what is held back comes with a later one or with `flush`."""
        if not self._forms:
            return chunk
        text = self._held + chunk
        masked, self._held = self._mask(text, self._beginning(text))
        return masked

    def flush(self) -> bytes:
        """What was held back, at the end of the stream."""
        masked, self._held = self._mask(self._held, len(self._held))
        return masked

    def _beginning(self, text: bytes) -> int:
        """Where the end of `text` may be the beginning of a secret; its length when nowhere."""
        found = len(text)
        for form in self._forms:
            at = text.find(form[:1], max(0, len(text) - len(form) + 1))
            while 0 <= at < found:
                if form.startswith(text[at:]):
                    found = at
                else:
                    at = text.find(form[:1], at + 1)
        return found

    def _mask(self, text: bytes, cut: int) -> tuple[bytes, bytes]:
        """`text` up to `cut`, masked, and the rest. A secret across the cut goes to the rest whole."""
        if not any(form in text for form in self._forms):  # many times faster than the expression
            return text[:cut], text[cut:]
        pieces: list[bytes] = []
        done = 0
        for match in self._any.finditer(text):
            if match.end() > cut:
                cut = min(cut, match.start())
                break
            pieces += (text[done : match.start()], MASK)
            done = match.end()
        return b"".join((*pieces, text[done:cut])), text[cut:]


def mask(secrets: Iterable[str], content: bytes) -> bytes:
    """All of `content` with the secrets masked."""
    masker = Masker.of(secrets)
    return masker.feed(content) + masker.flush()


def _forms(secret: str) -> set[bytes]:
    plain = secret.encode("utf-8", "surrogateescape")
    escaped = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    return {plain, *(text.encode("utf-8", "surrogatepass") for text in escaped)}


@define
class LineSplitter:
    """Cuts a stream into lines, without their newline; a longer line than the limit comes cut to it."""

    limit_bytes: int
    _parts: list[bytes] = field(factory=list)
    _size: int = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk ends."""
        *ended, rest = chunk.split(b"\n")
        if not ended:
            self._keep(rest)
            return []
        self._keep(ended[0])
        ended[0] = self._take()
        self._keep(rest)
        return [line if len(line) <= self.limit_bytes else line[: self.limit_bytes] for line in ended]

    def flush(self) -> list[bytes]:
        """The last line, when no newline ended it."""
        return [self._take()] if self._size else []

    def _keep(self, part: bytes) -> None:
        if part and self._size < self.limit_bytes:
            kept = part[: self.limit_bytes - self._size]
            self._parts.append(kept)
            self._size += len(kept)

    def _take(self) -> bytes:
        line = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return line


@define
class Tail:
    """The last bytes of a stream."""

    limit_bytes: int
    content: bytes = b""

    def feed(self, chunk: bytes) -> None:
        """Add to the end."""
        self.content = (self.content + chunk[-self.limit_bytes :])[-self.limit_bytes :]


@define
class RunLog:
    """A log file: made new, never written over, cut at a limit with a marker.

    A write that fails (disk full) ends the log, not the run: `error` says why.
    """

    path: Path
    limit_bytes: int
    _fd: int = -1
    _written: int = 0
    _ends_line: bool = True
    truncated: bool = False
    error: str | None = None

    def create(self) -> None:
        """Make the file and its folder. Raises OSError, FileExistsError among them."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.path, flags, 0o600)

    def feed(self, chunk: bytes) -> None:
        """Write to the end, unless the log has ended before."""
        if not chunk or self.truncated:
            return
        kept = chunk[: self.limit_bytes - self._written]
        self._write(kept)
        if len(kept) < len(chunk) and not self.truncated:
            marker = json.dumps({"type": "scriptorium.log_limit", "limit_bytes": self.limit_bytes})
            self._write((b"" if self._ends_line else b"\n") + marker.encode() + b"\n")
            self.truncated = True

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                os.close(fd)
            except OSError as error:  # what the disk refused may be said only now
                self._fail(error)

    def _write(self, content: bytes) -> None:
        try:
            if self._fd < 0:
                self.create()
            view = memoryview(content)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self._fail(error)
            return
        self._written += len(content)
        if content:
            self._ends_line = content.endswith(b"\n")

    def _fail(self, error: OSError) -> None:
        self.truncated = True
        self.error = f"{self.path}: {error.strerror or error}"
