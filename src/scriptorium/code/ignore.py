"""Ignore rules as gitignore(5) has them, over bytes, for a folder that nobody vouches for.

libgit2's own answer opens the `.gitignore` files by itself (and waits forever on one that is a pipe). A rule
here costs at most pattern times path, whatever the pattern: an agent writes these files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

FILE_LIMIT_BYTES = 256 * 1024
"""A file of rules larger than this is not read."""

Segment = Callable[[bytes], bool]
"""Whether one component of a path matches one component of a pattern."""

_CLASSES: dict[bytes, Callable[[int], bool]] = {
    b"alpha": lambda byte: chr(byte).isalpha(),
    b"digit": lambda byte: chr(byte).isdigit(),
    b"alnum": lambda byte: chr(byte).isalnum(),
    b"upper": lambda byte: chr(byte).isupper(),
    b"lower": lambda byte: chr(byte).islower(),
    b"space": lambda byte: byte in b" \t\n\r\v\f",
    b"blank": lambda byte: byte in b" \t",
    b"punct": lambda byte: 32 < byte < 127 and not chr(byte).isalnum(),
    b"print": lambda byte: 32 <= byte < 127,
    b"graph": lambda byte: 32 < byte < 127,
    b"cntrl": lambda byte: byte < 32 or byte == 127,
    b"xdigit": lambda byte: byte in b"0123456789abcdefABCDEF",
}


@frozen
class _Rule:
    """One line. `segments` are matched against the components of a path; None is `**`."""

    segments: tuple[Segment | None, ...]
    negated: bool
    folders_only: bool
    basename: bool

    def matches(self, parts: Sequence[bytes], is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        if self.basename:
            segment = self.segments[0]
            return segment is None or segment(parts[-1])
        return _path_matches(self.segments, parts)


@frozen
class _Group:
    """The rules of one file, the last first, for paths below a folder `depth` components deep."""

    depth: int
    rules: tuple[_Rule, ...]


@frozen
class IgnoreRules:
    """The rules that hold in a folder, the strongest first."""

    _groups: tuple[_Group, ...] = ()

    def with_file(self, text: bytes, folder: bytes = b"") -> IgnoreRules:
        """These rules and, stronger than they, those of a file in `folder` (b"a/b"; b"" is the root).

        What comes of it is for paths below that folder only.
        """
        rules = tuple(reversed(tuple(_parse(text))))
        depth = folder.count(b"/") + 1 if folder else 0
        return IgnoreRules((_Group(depth, rules), *self._groups)) if rules else self

    def ignores(self, path: bytes, *, is_folder: bool) -> bool:
        """Whether a path, relative to the root, is ignored; the folders above it are taken not to be."""
        parts = path.split(b"/")
        for group in self._groups:
            below = parts[group.depth :]
            for rule in group.rules:
                if rule.matches(below, is_folder):
                    return not rule.negated
        return False


def _parse(text: bytes) -> Iterator[_Rule]:
    for raw in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = _without_trailing_spaces(raw.removesuffix(b"\r"))
        if not line or line.startswith(b"#"):
            continue
        negated = line.startswith(b"!")
        pattern = line[1:] if negated else line
        folders_only = pattern.endswith(b"/")
        pattern = pattern.removesuffix(b"/")
        if not pattern:
            continue
        basename = b"/" not in pattern
        parts = pattern.removeprefix(b"/").split(b"/")
        segments = tuple(None if part == b"**" else _segment(part) for part in parts)
        yield _Rule(segments, negated, folders_only, basename)


def _without_trailing_spaces(line: bytes) -> bytes:
    stripped = line.rstrip(b" ")
    slashes = len(stripped) - len(stripped.rstrip(b"\\"))
    # A backslash keeps the one space that follows it.
    return line[: len(stripped) + 1] if slashes % 2 and len(stripped) < len(line) else stripped


def _path_matches(pattern: Sequence[Segment | None], parts: Sequence[bytes]) -> bool:
    """Match components; only the last `**` seen is ever gone back to, so the cost is a product."""
    at = matched = 0
    retry: tuple[int, int] | None = None
    while matched < len(parts):
        segment = pattern[at] if at < len(pattern) else _never
        if segment is None:
            if at == len(pattern) - 1:
                return True  # at least one component is left for a trailing `**`
            retry = (at, matched)
            at += 1
        elif segment(parts[matched]):
            at += 1
            matched += 1
        elif retry is not None:
            retry = (retry[0], retry[1] + 1)
            at, matched = retry[0] + 1, retry[1]
        else:
            return False
    return at == len(pattern)


def _never(_name: bytes) -> bool:
    return False


def _segment(pattern: bytes) -> Segment:
    """Compile one component; what is plain, or a star at one end, is compared without a loop."""
    tokens = _tokens(pattern)
    if tokens is None:
        return _never
    stars = [index for index, token in enumerate(tokens) if token is None]
    literal = bytes(token for token in tokens if isinstance(token, int))
    if len(literal) + len(stars) == len(tokens):
        if not stars:
            return literal.__eq__
        if stars == [0]:
            return lambda name: name.endswith(literal)
        if stars == [len(tokens) - 1]:
            return lambda name: name.startswith(literal)
    return lambda name: _glob(tokens, name)


Token = int | frozenset[int] | None
"""A byte, a set of bytes, or None for `*`."""

_ANY = frozenset(range(256))


def _tokens(pattern: bytes) -> tuple[Token, ...] | None:
    """None for a pattern that can match nothing: a bracket or an escape that is not closed."""
    tokens: list[Token] = []
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        if byte == b"*":
            if not tokens or tokens[-1] is not None:
                tokens.append(None)
        elif byte == b"?":
            tokens.append(_ANY)
        elif byte == b"[":
            found = _bracket(pattern, at + 1)
            if found is None:
                return None
            members, at = found
            tokens.append(members)
            continue
        elif byte == b"\\":
            at += 1
            if at == len(pattern):
                return None
            tokens.append(pattern[at])
        else:
            tokens.append(pattern[at])
        at += 1
    return tuple(tokens)


def _bracket(pattern: bytes, at: int) -> tuple[frozenset[int], int] | None:
    """The bytes that `[…]` matches, read from behind the bracket, and where it ends."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    members: set[int] = set()
    first = True
    while first or pattern[at : at + 1] != b"]":
        first = False
        if pattern[at : at + 2] == b"[:" and (end := pattern.find(b":]", at + 2)) >= 0:
            belongs = _CLASSES.get(pattern[at + 2 : end])
            if belongs is None:
                return None
            members.update(byte for byte in range(128) if belongs(byte))
            at = end + 2
            continue
        low = _member(pattern, at)
        if low is None:
            return None
        byte, at = low
        if pattern[at : at + 1] == b"-" and pattern[at + 1 : at + 2] not in (b"]", b""):
            high = _member(pattern, at + 1)
            if high is None:
                return None
            members.update(range(byte, high[0] + 1))
            at = high[1]
        else:
            members.add(byte)
    return (_ANY - members if negated else frozenset(members)), at + 1


def _member(pattern: bytes, at: int) -> tuple[int, int] | None:
    if pattern[at : at + 1] == b"\\":
        at += 1
    return (pattern[at], at + 1) if at < len(pattern) else None


def _glob(tokens: Sequence[Token], name: bytes) -> bool:
    """Match one component; only the last star seen is ever gone back to."""
    at = matched = 0
    retry: tuple[int, int] | None = None
    while matched < len(name):
        token = tokens[at] if at < len(tokens) else frozenset[int]()
        if token is None:
            retry = (at, matched)
            at += 1
        elif name[matched] == token or (isinstance(token, frozenset) and name[matched] in token):
            at += 1
            matched += 1
        elif retry is not None:
            retry = (retry[0], retry[1] + 1)
            at, matched = retry[0] + 1, retry[1]
        else:
            return False
    return all(token is None for token in tokens[at:])
