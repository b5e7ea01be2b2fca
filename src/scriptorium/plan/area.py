"""Areas, the parts that the Architect divides a spec into; markers, which say what was made from what."""

from __future__ import annotations

from attrs import frozen

from scriptorium.plan.ids import AreaName, InvalidName, Oid, parse_oid


@frozen
class Area:
    """The text of `areas/<name>.md`, and the oid of its blob."""

    name: AreaName
    text: str
    oid: Oid


@frozen
class Marker:
    """The oid of the text that something was made from; `failed` when scriptorium gave up on that text."""

    oid: Oid
    failed: bool = False

    def render(self) -> str:
        """`<oid> ok` or `<oid> failed`, and a newline."""
        return f"{self.oid} {'failed' if self.failed else 'ok'}\n"

    @classmethod
    def parse(cls, text: str) -> Marker:
        """Undo `render`; a missing second word means ok. Raises `InvalidName`."""
        words = text.split()
        if len(words) not in {1, 2} or words[1:] not in ([], ["ok"], ["failed"]):
            raise InvalidName(f'{text[:80]!a} is not a marker: an object id, then "ok" or "failed"')
        return cls(parse_oid(words[0]), failed=words[1:] == ["failed"])
