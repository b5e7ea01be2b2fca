"""The spec: what the user wants built, in their words."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from scriptorium.plan.ids import Oid

PLACEHOLDER: Final = """\
# Spec

Nothing is planned yet. Say here what is to be built: run `scriptorium plan` to write this text with an
agent, or `scriptorium plan --from FILE` to take one that is written already.
"""
"""The text of `spec.md` that `--init` writes. Nothing is planned from it."""


@frozen
class Spec:
    """The text of `spec.md`, and the oid of its blob."""

    text: str
    oid: Oid

    @property
    def is_placeholder(self) -> bool:
        """Whether nobody has written a spec yet: the text is empty or still the one from `--init`."""
        return self.text.split() in ([], PLACEHOLDER.split())
