"""A row of the table: a figure, what it is compared with, its target, and whether that is met."""

from collections.abc import Sequence
from enum import Enum
from operator import ge, le, lt

import attrs

from benchmarks.runtime.rounds import Contest


class Verdict(Enum):
    MET = "met"
    MISSED = "MISSED"
    FAILED = "FAILED"
    NOT_INSTALLED = "not installed"


COMPARE = {">=": ge, "<=": le, "<": lt}


@attrs.frozen
class Target:
    """``sense`` one of `COMPARE`; of the ratio to the peer if ``unit`` is "x", else of the figure itself."""

    sense: str = attrs.field(validator=attrs.validators.in_(COMPARE))
    bound: float
    unit: str = "x"

    def __str__(self) -> str:
        return f"{self.sense} {self.bound:g}{'' if self.unit == 'x' else ' '}{self.unit}"


@attrs.frozen
class Row:
    """``measured`` and ``peer`` are in ``unit``; None where nothing could be measured, ``note`` says why."""

    figure: str
    unit: str
    target: Target
    against: str = ""
    measured: float | None = None
    peer: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    installed: bool = True
    note: str = ""

    @property
    def title(self) -> str:
        return f"{self.figure} against {self.against}" if self.against else self.figure

    @property
    def judged(self) -> float | None:
        return self.ratio if self.target.unit == "x" else self.measured

    @property
    def verdict(self) -> Verdict:
        if not self.installed:
            return Verdict.NOT_INSTALLED
        if self.judged is None:
            return Verdict.FAILED
        return Verdict.MET if COMPARE[self.target.sense](self.judged, self.target.bound) else Verdict.MISSED

    def as_json(self) -> dict[str, object]:
        return {
            "figure": self.figure,
            "unit": self.unit,
            "measured": self.measured,
            "against": self.against or None,
            "peer": self.peer,
            "ratio": self.ratio,
            "ratio_spread": self.spread,
            "target": str(self.target),
            "verdict": self.verdict.value,
            "note": self.note or None,
        }


def compared(figure: str, unit: str, against: str, contest: Contest, target: Target) -> Row:
    """The row of a figure that was measured against a peer."""
    return Row(
        figure,
        unit,
        target,
        against,
        contest.subject,
        contest.peer,
        contest.ratio,
        contest.spread,
    )


def number(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 1 else f"{value:.2f}"
    return f"{text} {unit}".strip()


def table(rows: Sequence[Row]) -> str:
    head = ("figure", "measured", "against", "its figure", "ratio", "target", "")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = []
    for line in cells:
        padded = [
            text.rjust(width) if column in {1, 3, 4} else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    end = f"{row.verdict.value} ({row.note})" if row.note else row.verdict.value
    return (
        row.figure,
        number(row.measured, row.unit),
        row.against,
        number(row.peer, row.unit),
        number(row.ratio, "x"),
        str(row.target),
        end,
    )


def closing(rows: Sequence[Row]) -> str:
    """One line: how many targets are met, and which are not."""
    met = sum(row.verdict is Verdict.MET for row in rows)
    parts = [f"{met} of {len(rows)} targets met"]
    for verdict in (Verdict.MISSED, Verdict.FAILED, Verdict.NOT_INSTALLED):
        titles = [row.title for row in rows if row.verdict is verdict]
        if titles:
            parts.append(f"{verdict.value}: {', '.join(titles)}")
    return "; ".join(parts)
