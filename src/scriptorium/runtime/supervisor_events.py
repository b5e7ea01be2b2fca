"""What supervisors publish about themselves, besides what `scriptorium.runtime.events` has about children."""

import attrs


@attrs.frozen
class SupervisorShutDown:
    """Significant children have ended, ``child`` the last of them: the supervisor ends, in order."""

    supervisor: str
    child: str


@attrs.frozen
class IntensityWarning:
    """Too many restarts are possible before the outermost of these supervisors gives up.

    Args:
        supervisors: from the outermost to the innermost, each the parent of the next.
        intensities: the ``restarts`` of each.
        restarts: of a child of the innermost that crashes again and again, until the outermost gives up.
    """

    supervisors: tuple[str, ...]
    intensities: tuple[int, ...]
    restarts: int

    def __str__(self) -> str:
        levels = ", ".join(
            f"{name!r} ({restarts})"
            for name, restarts in zip(self.supervisors, self.intensities, strict=True)
        )
        return (
            f"restart intensities multiply over the levels {levels}: a child of the last that crashes again "
            f"and again is restarted up to {self.restarts} times before the first gives up. Give supervisors "
            "of supervisors an intensity of 1 to 3, or make the tree flatter"
        )
