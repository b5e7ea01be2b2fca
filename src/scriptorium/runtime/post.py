"""Where the present incarnation of a nested supervisor is found."""

from typing import TYPE_CHECKING

import attrs

from scriptorium.runtime.supervisor_spec import SupervisorSpec

if TYPE_CHECKING:
    from scriptorium.runtime.supervision import Supervision


@attrs.define(eq=False)
class Post:
    """Stays through all restarts. ``team`` is None between two incarnations, and after the end."""

    path: str
    spec: SupervisorSpec
    team: "Supervision | None" = None
